/**
 * Whether somebody has said that the passphrase is lost. It is asked for in a dozen places and lost in any of them, so the
 * way out is one for the whole page.
 */
import { ref } from 'vue'

const isLost = ref(false)

export const useLostPassphrase = () => isLost

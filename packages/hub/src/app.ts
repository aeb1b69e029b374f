export const placeholder = 'hub'

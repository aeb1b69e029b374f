/** Changing a JSON5 text without touching what does not change: comments, order and spelling stay. */
import { isDeepStrictEqual } from 'node:util'
import { OcmError } from '@ocm/protocol'
import jju from 'jju'
import JSON5 from 'json5'

/**
 * @param change gets the value of the text and answers the value it is to have; the same value changes nothing.
 * @throws SyntaxError when `text` is not JSON5.
 * @throws OcmError 'config-not-editable' when the edited text would not mean what was asked for.
 */
export function editJson5(text: string, change: (value: unknown) => unknown): string {
  const value: unknown = JSON5.parse(text)
  const becomes = change(value)
  if (isDeepStrictEqual(value, becomes)) return text
  // Without quoted keys, a key made of digits (a chat's id) would be written as another number.
  const edited = jju.update(text, becomes, { mode: 'json5', quote_keys: true })
  if (!isDeepStrictEqual(valueOf(edited), becomes)) throw new OcmError('config-not-editable')
  return edited
}

function valueOf(text: string): unknown {
  try {
    return JSON5.parse(text)
  } catch (cause) {
    throw new OcmError('config-not-editable', {}, { cause })
  }
}

/** What can still be read of a JSON5 text that does not parse. */
import JSON5 from 'json5'
import { isTree, type Tree } from './tree.ts'

/** The members of the outermost object that parse by themselves. */
export function salvage(text: string): Tree {
  const kept: Record<string, unknown> = {}
  for (const member of membersOf(text)) {
    const value = parsed(`{${member}}`)
    if (isTree(value)) Object.assign(kept, value)
  }
  return kept
}

/** The value of a JSON5 text; undefined when it has none. */
export function parsed(text: string): unknown {
  // Most are plain JSON, which is read many times faster and means the same.
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  try {
    return JSON5.parse(text) as unknown
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Splits at the commas of the outermost object; strings and comments are stepped over. */
function membersOf(text: string): readonly string[] {
  const members: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] as string
    if (letter === '"' || letter === "'") at = endOfString(text, at)
    else if (letter === '/') at = endOfComment(text, at)
    else if (letter === '{' || letter === '[') {
      depth += 1
      if (depth === 1) start = at + 1
    } else if (letter === '}' || letter === ']') {
      depth -= 1
      if (depth === 0) members.push(text.slice(start, at))
    } else if (letter === ',' && depth === 1) {
      members.push(text.slice(start, at))
      start = at + 1
    }
  }
  if (depth > 0) members.push(text.slice(start))
  return members
}

function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    // A string that its line does not end is where the text is broken; what follows may be whole again.
    else if (text[at] === text[from] || text[at] === '\n') return at
  }
  return text.length
}

function endOfComment(text: string, from: number): number {
  const kind = text[from + 1]
  if (kind !== '/' && kind !== '*') return from
  const end = text.indexOf(kind === '/' ? '\n' : '*/', from + 2)
  if (end === -1) return text.length
  return kind === '/' ? end : end + 1
}

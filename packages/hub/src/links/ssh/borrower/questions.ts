/** Answers what ssh and ssh-add ask for, each question once. A second question means that the answer was wrong. */
import { type WriteStream, constants, createWriteStream, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { type Room, makePipe } from './room.ts'

export interface Asked {
  /** What a program shows before it waits for an answer. */
  question(prompt: string): Uint8Array | undefined
  /** A host that is looked at shows this key. */
  shown(line: string): void
  /** There is no answer, or it was given before: whoever asks is to be ended before it goes on. */
  refused(): void
}

const MOST_PROMPT = 8192

/** @returns to whom the questions go, changed as the work goes on. */
export function listenForQuestions(room: Room): { asked: Asked; close(): void } {
  const [ask, say] = ['ask', 'say'].map((name) => {
    const path = makePipe(room.at(name))
    // Both ends at once, so that neither of us waits for the other to open it, and none sees an end.
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  }) as [number, number]
  const asking = new Socket({ fd: ask, readable: true, writable: false })
  const saying: WriteStream = createWriteStream('', { fd: say })
  const nobody: Asked = { question: () => undefined, shown: () => {}, refused: () => {} }
  const state = { asked: nobody }
  let held = ''

  const answer = (prompt: string) => {
    const word = state.asked.question(prompt)
    if (word === undefined) state.asked.refused()
    // Also the one that is refused goes on, for nobody: it waits for a line.
    const line = Buffer.concat([word ?? new Uint8Array(), Buffer.from('\n')])
    saying.write(line, () => line.fill(0))
  }
  asking.on('data', (bytes: Buffer) => {
    held = (held + bytes.toString()).slice(-MOST_PROMPT)
    const lines = held.split('\0')
    held = lines.pop() ?? ''
    for (const line of lines) {
      const [what, ...rest] = line.split(' ')
      if (what === 'ask') answer(rest.join(' '))
      // An order of algorithms is asked for too, before there is a key.
      else if (what === 'look' && !rest.includes('NONE')) state.asked.shown(rest.join(' '))
    }
  })
  return {
    get asked() {
      return state.asked
    },
    set asked(next: Asked) {
      state.asked = next
    },
    close() {
      asking.destroy()
      saying.destroy()
    },
  }
}

/** What lies in an OpenClaw home: notes, code, conversations, logs. Bytes are taken before the next is written. */
import { Page, WORDS, word } from './prose.ts'
import type { Random } from './random.ts'

/** Seconds; every time in the data set is after it. */
export const EPOCH = 1_790_000_000

const page = new Page()

export function prose(random: Random, bytes: number): Buffer {
  return page.prose(random, bytes).take()
}

export function notes(random: Random, size: number): Buffer {
  page.say(`# ${word(random, 200, 800)} ${word(random, 200, 3000)}\n\n`)
  while (page.length < size) {
    const kind = random.below(10)
    if (kind < 2) page.say(`\n## ${word(random, 100, 3000)} ${word(random, 100, 3000)}\n\n`)
    else if (kind < 5) {
      for (let left = 2 + random.below(6); left > 0; left--) {
        page
          .say('- ')
          .prose(random, 30 + random.below(90), ' ')
          .say('\n')
      }
    } else if (kind < 6) {
      page
        .say('```ts\n')
        .prose(random, 120 + random.below(300), ';\n')
        .say('\n```\n')
    } else page.prose(random, 200 + random.below(500)).say('\n\n')
  }
  return page.take()
}

export function code(random: Random, size: number): Buffer {
  while (page.length < size) {
    const name = word(random, 120, 2000)
    const input = word(random, 300, 500)
    page.say(`export async function ${name}(input: ${input}, options = {}): Promise<void> {\n`)
    for (let left = 3 + random.below(9); left > 0; left--) {
      const [to, call] = [word(random, 150, 1500), word(random, 150, 1500)]
      const [given, option] = [word(random, 150, 300), word(random, 150, 900)]
      page.say(`  const ${to} = await ${call}(${given}, { ${option}: ${random.below(1000)} });\n`)
    }
    page.say(`  return ${name};\n}\n\n`)
  }
  return page.take()
}

export function records(random: Random, size: number): Buffer {
  const rows = Array.from({ length: Math.ceil(size / 90) }, () => ({
    id: random.hex(8),
    v: random.below(1e6),
    name: word(random, 0, 5000),
    tag: word(random, 0, 300),
  }))
  return Buffer.from(JSON.stringify(rows))
}

export function log(random: Random, size: number): Buffer {
  let at = EPOCH + random.below(5e6)
  const levels = ['INFO', 'INFO', 'INFO', 'WARN', 'DEBUG']
  const parts = ['gateway', 'cron', 'heartbeat', 'ws', 'plugins']
  const events = ['client connected', 'tick ok', 'job started', 'job finished', 'config reload']
  while (page.length < size) {
    at += random.below(20)
    const when = new Date(at * 1000).toISOString()
    page.say(
      `${when} ${random.of(levels)} [${random.of(parts)}] ${random.of(events)} id=${random.hex(8)} ms=${random.below(900)}\n`,
    )
  }
  return page.take()
}

/** One line after another; tools read the same file again now and then. */
export class Conversation {
  readonly #random: Random
  #at: number
  #parent: string
  #result: Buffer | undefined

  constructor(random: Random, at = random.below(5e6)) {
    this.#random = random
    this.#at = at
    this.#parent = random.hex(8)
  }

  get last(): string {
    return this.#parent
  }

  line(): Buffer {
    this.#say()
    return page.take()
  }

  /** Lines until there are `size` bytes. */
  lines(size: number): Buffer {
    while (page.length < size) this.#say()
    return page.take()
  }

  file(size: number): Buffer {
    const when = new Date((EPOCH + this.#at) * 1000).toISOString()
    page.say(
      `{"type":"session","version":3,"id":"${this.#random.uuid()}","timestamp":"${when}","cwd":"/root/.openclaw/workspace"}\n`,
    )
    return this.lines(size)
  }

  #say(): void {
    const random = this.#random
    const id = random.hex(8)
    const when = new Date((EPOCH + this.#at) * 1000 + random.below(1000)).toISOString()
    this.#at += 1 + random.below(40)
    page.say(
      `{"type":"message","id":"${id}","parentId":"${this.#parent}","timestamp":"${when}","message":`,
    )
    const kind = random.below(10)
    if (kind < 3) this.#user()
    else if (kind < 6) this.#assistant()
    else if (kind < 8) this.#toolCall()
    else this.#toolResult()
    page.say('}\n')
    this.#parent = id
  }

  #user(): void {
    page.say('{"role":"user","content":[{"type":"text","text":"')
    page.prose(this.#random, this.#random.size(160, 0.9), '\\n').say('"}]}')
  }

  #assistant(): void {
    const random = this.#random
    page.say('{"role":"assistant","content":[{"type":"text","text":"')
    page.prose(random, Math.min(20_000, random.size(600, 1)), '\\n')
    const usage = {
      input: random.below(90_000),
      output: random.below(4000),
      cacheRead: random.below(200_000),
      cacheWrite: random.below(9000),
      cost: { total: Number(random.share().toFixed(5)) },
    }
    page.say(
      `"}],"provider":"mock","model":"mock-1","usage":${JSON.stringify(usage)},"stopReason":"stop","timestamp":${(EPOCH + this.#at) * 1000}}`,
    )
  }

  #toolCall(): void {
    const random = this.#random
    const tool = random.of(['exec', 'read', 'write', 'web_fetch', 'memory_search'])
    page.say(
      `{"role":"assistant","content":[{"type":"toolCall","id":"tool_${random.hex(24)}","name":"${tool}","arguments":{"command":"`,
    )
    page.prose(random, random.size(90, 0.7), ' ').say('"}}]}')
  }

  #toolResult(): void {
    const random = this.#random
    page.say(
      `{"role":"toolResult","toolCallId":"tool_${random.hex(24)}","content":[{"type":"text","text":"`,
    )
    if (this.#result && random.share() < 0.3) page.paste(this.#result)
    else {
      const at = page.length
      page.prose(random, Math.min(60_000, random.size(1800, 1.1)), '\\n')
      this.#result = page.since(at)
    }
    page.say('"}],"isError":false}')
  }
}

export const prompt = (random: Random): string => WORDS.slice(random.below(500), 900).join(' ')

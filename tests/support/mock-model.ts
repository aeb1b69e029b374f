import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Message {
  readonly role: string
  readonly content: string | readonly { readonly text?: string }[]
}

/** A language model on loopback that repeats the end of what it was told, so that conversations are real and offline. */
export async function startMockModel(port: number): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const asked = JSON.parse(Buffer.concat(parts).toString() || '{}') as {
        stream?: boolean
        messages?: Message[]
      }
      const last = asked.messages?.findLast(({ role }) => role === 'user')?.content ?? ''
      const text = typeof last === 'string' ? last : last.map((part) => part.text ?? '').join(' ')
      const content = `You said: ${text.slice(-120)}`
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
      const base = { id: 'mock', created: 1, model: 'mock-1' }
      if (!asked.stream) {
        const message = { role: 'assistant', content }
        response.setHeader('content-type', 'application/json')
        response.end(
          JSON.stringify({
            ...base,
            choices: [{ index: 0, message, finish_reason: 'stop' }],
            usage,
          }),
        )
        return
      }
      response.setHeader('content-type', 'text/event-stream')
      const event = (body: object) =>
        response.write(`data: ${JSON.stringify({ ...base, ...body })}\n\n`)
      event(choice({ role: 'assistant', content }, null))
      event(choice({}, 'stop'))
      event({ choices: [], usage })
      response.end('data: [DONE]\n\n')
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const { port: bound } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${bound}/v1`, close: () => server.close() }
}

const choice = (delta: object, finish: string | null) => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
})

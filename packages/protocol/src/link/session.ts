/**
 * One end of a link, from the moment both sides have proved who they are: requests both ways with bodies both ways,
 * events, heartbeats, and an end that leaves nothing waiting.
 */
import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { OcmError, type ErrorCode, type Facts, fromWireError, toWireError } from '../errors.ts'
import { EVENTS } from '../messages.ts'
import { free } from '../free.ts'
import { check } from '../shapes.ts'
import { Answering } from './answering.ts'
import { Asked } from './asked.ts'
import type {
  Answer,
  Body,
  CallContext,
  Conversation,
  EventName,
  EventOf,
  Handler,
  MethodOf,
  Methods,
  ParamsOf,
  RequestOptions,
  ResultOf,
} from './calls.ts'
import type { Carrier } from './carrier.ts'
import type { Clock } from './clock.ts'
import {
  Assembler,
  ErrorMessage,
  type Frame,
  frame,
  messageFrames,
  readCredit,
  readFrame,
} from './frame.ts'
import type { Incoming } from './incoming.ts'
import { Outbox } from './outbox.ts'
import type { Outgoing } from './outgoing.ts'
import { Patience } from './patience.ts'
import { Places } from './places.ts'
import type { Transport } from './transport.ts'

/** Requests of one side at work on the other. */
export const MAX_IN_FLIGHT = 32
/** A peer is gone when it was silent for so many heartbeat intervals. */
const SILENT_BEATS = 2.5

export interface SessionOptions<Mine extends Methods, Theirs extends Methods> {
  readonly carrier: Carrier
  readonly transport: Transport
  readonly clock: Clock
  /** The agent's requests have odd numbers, the hub's even ones. */
  readonly side: 'agent' | 'hub'
  /** What this side answers, and what it asks. */
  readonly mine: Mine
  readonly theirs: Theirs
  readonly heartbeatMs: number
  /** Told of what has nobody else to be told: a handler that failed without an OcmError, an event that is malformed. */
  readonly fault: (error: unknown) => void
}

/** The tables say what each handler and listener takes; kept by name they are all alike. */
type AnyHandler = (params: never, body: Body, context: CallContext) => Promise<unknown>
type AnyListener = (payload: never) => void

const RequestMessage = Type.Object({
  method: Type.String({ maxLength: 64 }),
  params: Type.Unknown(),
  body: Type.Boolean(),
})
const AnswerMessage = Type.Object({ result: Type.Unknown(), body: Type.Boolean() })
const EventMessage = Type.Object({ event: Type.String({ maxLength: 64 }), payload: Type.Unknown() })
export class Session<Mine extends Methods, Theirs extends Methods> implements Conversation<
  Mine,
  Theirs
> {
  readonly closed: Promise<OcmError>
  readonly #options: SessionOptions<Mine, Theirs>
  readonly #outbox: Outbox
  readonly #assembler = new Assembler()
  readonly #places = new Places(MAX_IN_FLIGHT)
  readonly #handlers = new Map<string, AnyHandler>()
  readonly #listeners = new Map<string, Set<AnyListener>>()
  /** Ours, also those that wait for a place. */
  readonly #asked = new Set<Asked>()
  readonly #askedByCall = new Map<number, Asked>()
  readonly #answering = new Map<number, Answering>()
  readonly #silence: Patience
  #beat: unknown
  #nextCall: number
  #theirLastCall = 0
  #end: OcmError | null = null
  #resolveClosed: (why: OcmError) => void = () => {}

  constructor(options: SessionOptions<Mine, Theirs>) {
    this.#options = options
    this.#outbox = new Outbox(options.carrier, options.transport, options.clock, () => this.lost())
    this.#nextCall = options.side === 'agent' ? 1 : 2
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.#silence = new Patience(options.clock, options.heartbeatMs * SILENT_BEATS, () => {
      this.#finish(new OcmError('link-lost'), null)
    })
    this.#silence.begin()
    this.#scheduleBeat()
  }

  async request<M extends MethodOf<Theirs>>(
    method: M,
    params: ParamsOf<Theirs, M>,
    options: RequestOptions = {},
  ): Promise<Answer<ResultOf<Theirs, M>>> {
    if (this.#end) throw new OcmError('link-lost', {}, { cause: this.#end })
    if (options.signal?.aborted) throw options.signal.reason
    const shape = this.#options.theirs[method]?.result as Theirs[M]['result']
    let call = 0
    let leaveRow: (() => void) | undefined
    const asked = new Asked({
      method,
      params,
      options,
      outbox: this.#outbox,
      clock: this.#options.clock,
      read: (result) => this.#read(shape, result, method),
      over: () => {
        this.#asked.delete(asked)
        if (call === 0) return leaveRow?.()
        this.#askedByCall.delete(call)
        this.#places.leave()
      },
    })
    this.#asked.add(asked)
    leaveRow = this.#places.take(() => {
      if (this.#end) return
      call = this.#nextCall
      this.#nextCall += 2
      this.#askedByCall.set(call, asked)
      asked.ask(call)
    })
    return asked.answer as Promise<Answer<ResultOf<Theirs, M>>>
  }

  handle<M extends MethodOf<Mine>>(method: M, handler: Handler<Mine, M>): void {
    if (this.#handlers.has(method))
      throw new OcmError('wrong-use', { what: `${method} is handled` })
    this.#handlers.set(method, handler)
  }

  emit<E extends EventName>(event: E, payload: EventOf<E>): void {
    this.#outbox.say(...messageFrames('event', 0, { event, payload }))
  }

  on<E extends EventName>(event: E, handler: (payload: EventOf<E>) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(handler))
    return () => listeners.delete(handler)
  }

  close(code: ErrorCode, facts: Facts = {}): void {
    const why = new OcmError(code, facts)
    this.#finish(why, why)
  }

  /** The carrier calls these three: a record came, which is the session's from now on; there is room again; it is gone. */
  receive(record: Uint8Array): void {
    if (this.#end) return
    try {
      const opened = this.#options.transport.open(record)
      // Behind one that does not fill its memory the next may begin.
      if (record.length === record.buffer.byteLength) free(record)
      this.#take(readFrame(opened))
    } catch (error) {
      if (!(error instanceof OcmError)) this.#options.fault(error)
      const what = error instanceof OcmError ? (error.facts['what'] ?? 'record') : 'record'
      const why = new OcmError('malformed', { what }, { cause: error })
      this.#finish(why, why)
    }
  }

  drained(): void {
    this.#outbox.drained()
  }

  lost(cause?: unknown): void {
    this.#finish(new OcmError('link-lost', {}, { cause }), null)
  }

  #take(taken: Frame): void {
    this.#silence.begin()
    switch (taken.kind) {
      case 'request':
      case 'answer':
      case 'refusal':
      case 'event':
      case 'fail':
      case 'bye': {
        const message = this.#assembler.add(taken)
        if (message) this.#takeMessage(taken.kind, taken.call, message.value)
        return
      }
      case 'data':
        return this.#reading(taken.call).push(taken.payload)
      case 'end':
        return this.#reading(taken.call).end()
      case 'credit': {
        const bytes = readCredit(taken)
        return this.#writing(taken.call)?.addCredit(bytes)
      }
      case 'stop':
        return this.#writing(taken.call)?.abort(new OcmError('job-cancelled'))
      case 'cancel':
        return this.#answering.get(taken.call)?.cancel()
      case 'heartbeat':
        return
      case 'welcome':
      case 'ready':
        throw new OcmError('malformed', { what: 'frame' })
    }
  }

  #takeMessage(
    kind: 'request' | 'answer' | 'refusal' | 'event' | 'fail' | 'bye',
    call: number,
    message: unknown,
  ): void {
    switch (kind) {
      case 'request': {
        const { method, params, body } = check(RequestMessage, message, 'request')
        return this.#answer(call, method, params, body)
      }
      case 'answer': {
        const { result, body } = check(AnswerMessage, message, 'answer')
        return this.#ours(call).answered(result, body)
      }
      case 'refusal':
        return this.#ours(call).refused(check(ErrorMessage, message, 'answer'))
      case 'event': {
        const { event, payload } = check(EventMessage, message, 'event')
        return this.#hear(event, payload)
      }
      case 'fail':
        return this.#reading(call).end(fromWireError(check(ErrorMessage, message, 'data')))
      case 'bye':
        return this.#finish(fromWireError(check(ErrorMessage, message, 'bye')), null)
    }
  }

  #answer(call: number, method: string, params: unknown, hasBody: boolean): void {
    const isTheirs = call % 2 === (this.#options.side === 'agent' ? 0 : 1)
    if (!isTheirs || call <= this.#theirLastCall || this.#answering.size >= MAX_IN_FLIGHT) {
      throw new OcmError('malformed', { what: 'request' })
    }
    this.#theirLastCall = call
    const answering = new Answering({
      call,
      hasBody,
      outbox: this.#outbox,
      over: () => this.#answering.delete(call),
      fault: this.#options.fault,
    })
    this.#answering.set(call, answering)
    void answering.work(async (body, signal) => {
      const handler = this.#handlers.get(method)
      const shape = this.#options.mine[method]
      if (!handler || !shape) throw new OcmError('version-unsupported', { what: 'request' })
      return handler(this.#read(shape.params, params, method) as never, body, { signal })
    })
  }

  #hear(event: string, payload: unknown): void {
    try {
      if (!Object.hasOwn(EVENTS, event))
        throw new OcmError('version-unsupported', { what: 'event' })
      const checked = this.#read(EVENTS[event as EventName], payload, event)
      for (const listener of this.#listeners.get(event) ?? []) listener(checked as never)
    } catch (error) {
      this.#options.fault(error)
    }
  }

  /** Agents are one version behind at times and leave out what they do not know; the hub takes nothing unknown. */
  #read<T extends TSchema>(shape: T, value: unknown, what: string): Static<T> {
    return check(shape, this.#options.side === 'agent' ? Value.Clean(shape, value) : value, what)
  }

  #ours(call: number): Asked {
    const asked = this.#askedByCall.get(call)
    if (!asked) throw new OcmError('malformed', { what: 'answer' })
    return asked
  }

  /** The body that a frame of data belongs to: the answer's if the request was ours, else the request's. */
  #reading(call: number): Incoming {
    const body = this.#askedByCall.get(call)?.down ?? this.#answering.get(call)?.up
    if (!body) throw new OcmError('malformed', { what: 'data' })
    return body
  }

  /** None when it has ended: what the other side says of it was on its way. */
  #writing(call: number): Outgoing | null {
    return this.#askedByCall.get(call)?.up ?? this.#answering.get(call)?.down ?? null
  }

  #scheduleBeat(): void {
    const { clock, heartbeatMs } = this.#options
    this.#beat = clock.setTimeout(() => {
      this.#outbox.say(frame('heartbeat', 0))
      this.#scheduleBeat()
    }, heartbeatMs)
  }

  #finish(why: OcmError, bye: OcmError | null): void {
    if (this.#end) return
    this.#end = why
    this.#silence.end()
    this.#options.clock.clearTimeout(this.#beat)
    const last = bye ? (messageFrames('bye', 0, toWireError(bye))[0] ?? null) : null
    this.#outbox.closeWith(last)
    this.#options.carrier.close()
    const lost = new OcmError('link-lost', {}, { cause: why })
    for (const asked of this.#asked) asked.lose(lost)
    for (const answering of this.#answering.values()) answering.lose(lost)
    this.#resolveClosed(why)
  }
}

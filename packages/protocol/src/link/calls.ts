/** The types of the conversation: what can be asked over a link, how, and what comes back. */
import type { Static, TSchema } from 'typebox'
import type { ErrorCode, Facts, OcmError } from '../errors.ts'
import type { EVENTS, TO_AGENT, TO_HUB } from '../messages.ts'

/** A table like TO_AGENT or TO_HUB. */
export type Methods = Readonly<
  Record<string, { readonly params: TSchema; readonly result: TSchema }>
>
export type MethodOf<T extends Methods> = keyof T & string
export type ParamsOf<T extends Methods, M extends MethodOf<T>> = Static<T[M]['params']>
export type ResultOf<T extends Methods, M extends MethodOf<T>> = Static<T[M]['result']>

export type EventName = keyof typeof EVENTS
export type EventOf<E extends EventName> = Static<(typeof EVENTS)[E]>

/**
 * Bytes that follow a request or an answer. Read once, at the reader's pace: at most 256 KiB are on their way. A
 * reader that leaves the loop stops the writer; an error of the writer is thrown to the reader.
 */
export type Body = AsyncIterable<Uint8Array>

export interface RequestOptions {
  readonly body?: Body
  /**
   * How long the other side may leave us waiting: for the answer, for a place to put the next piece of our body, for
   * the next piece of its body. Time that we take ourselves does not count. Default 30,000; Infinity for work that
   * takes as long as it takes (a peer that is gone is noticed by the heartbeat).
   */
  readonly deadlineMs?: number
  /** Aborting rejects with the signal's reason and aborts the handler's signal on the other side. */
  readonly signal?: AbortSignal
}

export interface Answer<R> {
  readonly result: R
  /** Empty when the answer has none. A body that is not wanted is best left by `for await … break`. */
  readonly body: Body
}

export interface CallContext {
  /** Aborted when nobody waits for the answer any more: cancelled, past its deadline, or the session is gone. */
  readonly signal: AbortSignal
}

/** Answers one kind of request. What it throws is the answer; anything but an OcmError arrives as 'internal'. */
export type Handler<T extends Methods, M extends MethodOf<T>> = (
  params: ParamsOf<T, M>,
  body: Body,
  context: CallContext,
) => Promise<ResultOf<T, M> | Answer<ResultOf<T, M>>>

/** What jobs and captures need of a session: one side's view of a conversation between two tables. */
export interface Conversation<Mine extends Methods, Theirs extends Methods> {
  /** @throws OcmError what the other side answered, or 'link-lost', 'deadline-passed', 'malformed'; or the signal's reason */
  request<M extends MethodOf<Theirs>>(
    method: M,
    params: ParamsOf<Theirs, M>,
    options?: RequestOptions,
  ): Promise<Answer<ResultOf<Theirs, M>>>
  /** Once for each method. */
  handle<M extends MethodOf<Mine>>(method: M, handler: Handler<Mine, M>): void
  /** Tells the other side without waiting; lost when the link is lost. */
  emit<E extends EventName>(event: E, payload: EventOf<E>): void
  /** @returns a function that takes the handler away. */
  on<E extends EventName>(event: E, handler: (payload: EventOf<E>) => void): () => void
  /** Tells the other side why, and ends it: everything in flight is rejected with 'link-lost'. */
  close(code: ErrorCode, facts?: Facts): void
  /** Fulfilled, never rejected, with why it ended: 'link-lost', or what either side gave as its reason. */
  readonly closed: Promise<OcmError>
}

/** A node as the hub sees it. */
export type NodeConversation = Conversation<typeof TO_HUB, typeof TO_AGENT>
/** The hub as an agent sees it. */
export type HubConversation = Conversation<typeof TO_AGENT, typeof TO_HUB>

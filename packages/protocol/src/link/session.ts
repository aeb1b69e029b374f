/** One end of a link, from the moment both sides have proved who they are. */
import { OcmError, type ErrorCode, type Facts } from '../errors.ts'
import type {
  Answer,
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

export class Session<Mine extends Methods, Theirs extends Methods> implements Conversation<
  Mine,
  Theirs
> {
  readonly closed: Promise<OcmError> = Promise.resolve(new OcmError('link-lost'))

  request<M extends MethodOf<Theirs>>(
    _method: M,
    _params: ParamsOf<Theirs, M>,
    _options: RequestOptions = {},
  ): Promise<Answer<ResultOf<Theirs, M>>> {
    return Promise.reject(new OcmError('link-lost'))
  }

  handle<M extends MethodOf<Mine>>(_method: M, _handler: Handler<Mine, M>): void {
    throw new OcmError('link-lost')
  }

  emit<E extends EventName>(_event: E, _payload: EventOf<E>): void {
    throw new OcmError('link-lost')
  }

  on<E extends EventName>(_event: E, _handler: (payload: EventOf<E>) => void): () => void {
    throw new OcmError('link-lost')
  }

  /** Tells the other side why, and ends it: everything in flight is rejected with 'link-lost'. */
  close(_code: ErrorCode, _facts: Facts = {}): void {
    throw new OcmError('link-lost')
  }
}

/** Of the socket for live events. `lost`: it was open before and is dialled again. */
export type LiveState = 'connecting' | 'live' | 'lost'

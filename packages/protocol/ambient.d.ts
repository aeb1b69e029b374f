/** The whole of what protocol may take from the platform it runs on. */

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean })
  decode(bytes?: Uint8Array): string
}

/** For primitives/browser.ts alone; the linter refuses it elsewhere. */
declare const crypto: {
  getRandomValues<T extends Uint8Array>(bytes: T): T
}

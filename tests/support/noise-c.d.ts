declare module 'noise-c.wasm' {
  export interface CipherState {
    InitializeKey(key: Uint8Array): void
    EncryptWithAd(associated: Uint8Array, plain: Uint8Array): Uint8Array
    DecryptWithAd(associated: Uint8Array, sealed: Uint8Array): Uint8Array
  }
  export interface SymmetricState {
    MixKey(input: Uint8Array): void
    MixHash(data: Uint8Array): void
    EncryptAndHash(plain: Uint8Array): Uint8Array
    DecryptAndHash(sealed: Uint8Array): Uint8Array
    Split(): [CipherState, CipherState]
  }
  export interface HandshakeState {
    Initialize(prologue: Uint8Array | null, secret: Uint8Array | null): void
    WriteMessage(payload: Uint8Array | null): Uint8Array
    ReadMessage(message: Uint8Array, payloadNeeded: boolean): Uint8Array
    GetHandshakeHash(): Uint8Array
    /** Sending, receiving. */
    Split(): [CipherState, CipherState]
  }
  export interface Noise {
    readonly constants: {
      readonly NOISE_ROLE_INITIATOR: number
      readonly NOISE_ROLE_RESPONDER: number
      readonly NOISE_CIPHER_CHACHAPOLY: number
    }
    CipherState(cipher: number): CipherState
    SymmetricState(protocol: string): SymmetricState
    HandshakeState(protocol: string, role: number): HandshakeState
  }
  export default function createNoise(
    options: { readonly wasmBinary: Uint8Array },
    ready: (noise: Noise) => void,
  ): void
}

/** What accounts need of a catalog. Times in milliseconds by the hub's clock. */
export interface Operator {
  readonly id: string
  readonly name: string
}

export interface Account extends Operator {
  /** PHC string of the password. */
  readonly password: string
}

export interface ApiToken {
  readonly id: string
  readonly label: string
  readonly createdAt: number
}

/** Everything that set-up writes. */
export interface SetUp {
  readonly operator: Account & { readonly nameKey: string }
  readonly root: Uint8Array
  readonly record: { readonly serial: number; readonly bytes: Uint8Array }
  readonly slots: readonly {
    readonly kind: 'passphrase' | 'recovery' | 'handover'
    readonly operator: string | null
    readonly bytes: Uint8Array
  }[]
  readonly at: number
}

export interface AuditLine {
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
}

export interface PeopleCatalog {
  isSetUp(): Promise<boolean>
  /** All of it or nothing; false when set-up was done before. */
  setUp(all: SetUp): Promise<boolean>

  accountNamed(nameKey: string): Promise<Account | undefined>
  /** Replaces the hash of a password, when its parameters have risen. */
  setPassword(operator: string, password: string): Promise<void>

  addSession(session: { hash: string; operator: string; at: number }): Promise<void>
  sessionBy(
    hash: string,
  ): Promise<{ operator: Operator; createdAt: number; seenAt: number } | undefined>
  touchSession(hash: string, at: number): Promise<void>
  endSession(hash: string): Promise<void>
  /** Removes sessions begun or last seen before these times. */
  dropSessions(before: { createdAt: number; seenAt: number }): Promise<void>

  addToken(token: ApiToken & { operator: string; hash: string }): Promise<void>
  tokensOf(operator: string): Promise<ApiToken[]>
  operatorByToken(hash: string, at: number): Promise<Operator | undefined>
  /** False when this operator has no such token. */
  removeToken(operator: string, id: string): Promise<boolean>
}

export interface Audit {
  /** On disk when it is answered. */
  note(line: AuditLine): Promise<void>
  /** Newest first. */
  newest(limit: number): Promise<AuditLine[]>
}

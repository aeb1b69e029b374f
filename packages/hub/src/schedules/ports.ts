/** What schedules need of a catalog. Times in milliseconds by the hub's clock. */
import type { Schedule } from '@ocm/protocol'

export interface StoredSchedule {
  readonly node: string
  readonly schedule: Schedule
  /** When it was set or its last backup was begun: what is due is the first time after that. */
  readonly since: number
}

export interface ScheduleCatalog {
  schedules(): Promise<StoredSchedule[]>
  /** In place of the one it has. Null takes it away. */
  setSchedule(node: string, schedule: Schedule | null, at: number): Promise<void>
  begun(node: string, at: number): Promise<void>
  /**
   * The target of a finished move goes on with the schedule of its source when it has none of its own, once for each
   * move; answers those to whom something was handed.
   */
  handOn(at: number): Promise<string[]>
}

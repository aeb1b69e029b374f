/** What was measured, kept on disk as it comes, so that a run of some tools alone can be read beside an earlier one. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Step } from './contender.ts'
import type { Taken } from './measured.ts'

export interface Figure extends Taken {
  readonly tool: string
  readonly step: Step
  readonly run: number
  /** Seconds that a command which only opens took just before. */
  readonly opening?: number
  readonly load: string
  readonly stored: number
  readonly growth: number
  readonly commit: string
  /** Which run of the bench, and when in it. */
  readonly begun: number
  readonly at: number
}

interface Opening {
  readonly tool: string
  readonly begun: number
  readonly opening: number
}

export class Figures {
  readonly #file: string
  readonly #about: { readonly commit: string; readonly begun: number }
  readonly #failed = new Set<string>()

  constructor(file: string, about: { readonly commit: string; readonly begun: number }) {
    this.#file = file
    this.#about = about
  }

  add(figure: Omit<Figure, 'commit' | 'begun' | 'at'>): void {
    const { tool, step, run, seconds, costs, beside, load } = figure
    this.#write({ ...figure, ...this.#about, at: Date.now() })
    const spent = Object.entries(costs).map(
      ([name, { cpuSeconds, systemSeconds, peakMB }]) =>
        `${name} ${cpuSeconds.toFixed(2)} s (system ${systemSeconds.toFixed(2)}) ${peakMB.toFixed(0)} MB`,
    )
    const aside = Object.entries(beside ?? {}).map(([name, s]) => `${name} ${s.toFixed(1)} s`)
    console.log(
      `  ${tool.padEnd(9)} ${step.padEnd(10)} ${run}  ${seconds.toFixed(2).padStart(7)} s   ` +
        `processor and memory: ${spent.join(', ')}${aside.length > 0 ? `   beside: ${aside.join(', ')}` : ''}   load ${load}`,
    )
  }

  opening(tool: string, seconds: number): void {
    this.#write({ tool, begun: this.#about.begun, opening: seconds })
  }

  failed(tool: string, step: Step): void {
    this.#failed.add(`${tool} ${step}`)
  }

  hasFailed(tool: string, step: Step): boolean {
    return this.#failed.has(`${tool} ${step}`)
  }

  /** Of the newest run that has the step of the tool. */
  of(tool: string, step: Step): { readonly figures: readonly Figure[]; readonly isOld: boolean } {
    const all = this.#read().filter((one): one is Figure => 'step' in one)
    const its = all.filter((one) => one.tool === tool && one.step === step)
    const newest = Math.max(...its.map(({ begun }) => begun))
    return {
      figures: this.hasFailed(tool, step) ? [] : its.filter(({ begun }) => begun === newest),
      isOld: its.length > 0 && newest !== this.#about.begun,
    }
  }

  /** Seconds that a tool needs before it does anything. */
  openingOf(tool: string): number {
    const its = this.#read().filter((one): one is Opening => 'opening' in one && one.tool === tool)
    const newest = Math.max(...its.map(({ begun }) => begun))
    return median(its.filter(({ begun }) => begun === newest).map(({ opening }) => opening)) ?? 0
  }

  #write(line: unknown): void {
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`)
  }

  #read(): readonly (Figure | Opening)[] {
    if (!existsSync(this.#file)) return []
    const lines = readFileSync(this.#file, 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => JSON.parse(line) as Figure | Opening)
  }
}

export function median(numbers: readonly number[]): number | undefined {
  const sorted = numbers.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}

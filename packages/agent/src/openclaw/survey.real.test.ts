/**
 * Over a real home, named by OCM_TEST_HOME, whose gateway is stopped. The lists that OpenClaw printed when the home was
 * made may lie in it as cron-list.json and sessions.json.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { captureOf, foundIn } from './captured.fixture.ts'
import { createInstallation } from './installation.ts'

const home = process.env['OCM_TEST_HOME'] ?? ''
const has = (name: string) => home !== '' && existsSync(path.join(home, name))
const json = (name: string) => JSON.parse(readFileSync(path.join(home, name), 'utf8')) as never
const installation = createInstallation({
  home,
  env: {},
  agentStateDir: path.join(home, '.ocm'),
  now: () => 0,
})

describe.skipIf(home === '')('a real home (skipped unless OCM_TEST_HOME names one)', () => {
  test('it is surveyed without a warning and without a trace', async () => {
    const before = readdirSync(home, { recursive: true }).length
    const survey = await installation.survey()
    expect(survey.warnings).toEqual([])
    const { databases } = survey.separate(foundIn(survey))
    expect(databases.map(({ role }) => role)).toEqual(expect.arrayContaining(['state', 'agent']))
    expect(survey.layout.versions.schemas['state']).toBeGreaterThan(0)
    expect(readdirSync(home, { recursive: true }).length).toBe(before)
  })

  test.skipIf(!has('cron-list.json'))('its cron jobs are those that OpenClaw listed', async () => {
    const inventory = await installation.inventory(await installation.layout())
    const { jobs } = json('cron-list.json') as { jobs: { id: string; enabled: boolean }[] }
    const listed = jobs.map(({ id, enabled }) => `${id} ${enabled}`)
    expect(inventory?.cron.map(({ id, enabled }) => `${id} ${enabled}`)).toEqual(listed.toSorted())
  })

  test.skipIf(!has('sessions.json'))(
    'its conversations are those that OpenClaw listed',
    async () => {
      const inventory = await installation.inventory(await installation.layout())
      const { sessions } = json('sessions.json') as { sessions: { sessionId: string }[] }
      const listed = sessions.map(({ sessionId }) => sessionId)
      expect(
        Object.values(inventory?.sessions ?? {})
          .flat()
          .toSorted(),
      ).toEqual(listed.toSorted())
    },
  )

  test('a capture finds in it what is live', async () => {
    const findings = await installation.examine(await captureOf(await installation.survey()))
    expect(findings.inventory).toEqual(await installation.inventory(await installation.layout()))
    expect(findings.holdings.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['personas', 'device identity', 'gateway token']),
    )
    expect(JSON.stringify(findings.config)).not.toMatch(/"token":"[^•]/)
  })
})

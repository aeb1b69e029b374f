import { describe, expect, test } from 'vitest'
import {
  changesNothing,
  marksOf,
  pathsIn,
  rewritePath,
  rewriteText,
  rulesBetween,
} from './rewrite.ts'

const layout = (roots: Record<string, string>) => ({ roots })
const AL = layout({
  home: '/home/al',
  state: '/home/al/.claw',
  'workspace:main': '/home/al/.claw/workspace',
  'workspace:work': '/home/al/work',
})
const BOB = layout({
  home: '/srv/bob',
  state: '/srv/bob/.claw',
  'workspace:main': '/srv/bob/.claw/workspace',
  'workspace:work': '/data/work',
})
const toBob = rulesBetween(AL, BOB)

describe('rules', () => {
  test('the longest prefix comes first', () => {
    expect(toBob.map(({ root }) => root)).toEqual([
      'workspace:main',
      'state',
      'workspace:work',
      'home',
    ])
  })

  test('a state dir that stays while the home around it moves', () => {
    const rules = rulesBetween(AL, layout({ ...BOB.roots, state: '/home/al/.claw' }))
    expect(rewriteText('/home/al/.claw/x /home/al/x', rules)).toBe('/home/al/.claw/x /srv/bob/x')
  })

  test('a root that the target does not have makes no rule', () => {
    const rules = rulesBetween(AL, layout({ home: '/srv/bob', state: '/srv/bob/.claw' }))
    expect(rules.map(({ root }) => root)).toEqual(['state', 'home'])
  })

  test('rules between a layout and itself change nothing', () => {
    expect(changesNothing(rulesBetween(AL, AL))).toBe(true)
    expect(changesNothing(toBob)).toBe(false)
  })
})

describe('a path is found', () => {
  test.each([
    ['/home/al', '/srv/bob'],
    ['/home/al/', '/srv/bob/'],
    ['"/home/al/x"', '"/srv/bob/x"'],
    ["'/home/al'", "'/srv/bob'"],
    ['--dir=/home/al/x', '--dir=/srv/bob/x'],
    ['-I/home/al/include', '-I/srv/bob/include'],
    ['cp /home/al/a /home/al/work/b', 'cp /srv/bob/a /data/work/b'],
    ['PATH=/bin:/home/al/bin:/home/al/work/bin', 'PATH=/bin:/srv/bob/bin:/data/work/bin'],
    ['/home/al/work:/data:ro', '/data/work:/data:ro'],
    ['file:///home/al/x', 'file:///srv/bob/x'],
    ['sqlite:////home/al/x.db', 'sqlite:////srv/bob/x.db'],
    ['It lives in /home/al.', 'It lives in /srv/bob.'],
    ['(see /home/al/work)', '(see /data/work)'],
    ['**/home/al/work**', '**/data/work**'],
    ['`/home/al`', '`/srv/bob`'],
    ['@/home/al/body.json', '@/srv/bob/body.json'],
    ['[link](/home/al/a.md)', '[link](/srv/bob/a.md)'],
    ['/home/al\n/home/al', '/srv/bob\n/srv/bob'],
    ['{"text":"a\\n/home/al/x"}', '{"text":"a\\n/srv/bob/x"}'],
    ['{"path":"\\/home\\/al\\/x"}', '{"path":"\\/srv\\/bob\\/x"}'],
    ['http://h/?dir=%2Fhome%2Fal%2fx', 'http://h/?dir=%2Fsrv%2Fbob%2fx'],
    ['^/home/al$', '^/srv/bob$'],
  ])('in %j', (text, expected) => {
    expect(rewriteText(text, toBob)).toBe(expected)
    expect(pathsIn(text, toBob).length).toBeGreaterThan(0)
    expect(marksOf(toBob).some((mark) => text.includes(mark))).toBe(true)
  })
})

describe('a path is not found', () => {
  test.each([
    '/home/alice',
    '/home/al-2',
    '/home/al_2/x',
    '/home/al.bak',
    '/home/al2',
    '/home/alé',
    '/home/al🙂',
    '/home/al~',
    String.raw`/home/al\ 2/x`,
    '/home/al$SUFFIX/x',
    '/home/al${SUFFIX}/x',
    '/home/al%20docs/x',
    '/x/home/al',
    './home/al',
    '~/home/al',
    '$PREFIX/home/al',
    '${PREFIX}/home/al',
    '$(pwd)/home/al',
    'https://example.com/home/al',
    'http://home/al',
    'backup@nas:/home/al/x',
    '//home/al',
    'home/al',
    '/HOME/al',
    'nothing at all',
    '',
  ])('in %j', (text) => {
    expect(rewriteText(text, toBob)).toBe(text)
    expect(pathsIn(text, toBob)).toEqual([])
  })
})

test('marks are few: one that stands in another is enough', () => {
  const escaped = layout({ home: '/h/jörg "x"', state: '/h/jörg "x"/.claw' })
  expect(new Set(marksOf(rulesBetween(escaped, escaped)))).toEqual(
    new Set([
      '/h/j',
      '%2fh',
      '%2Fh',
      String.raw`\/h`,
      '~/.claw',
      '~%2f.claw',
      '~%2F.claw',
      String.raw`~\/.claw`,
    ]),
  )
})

describe('names that need escapes', () => {
  const spaced = layout({
    home: '/home/al',
    state: '/home/al/.claw',
    'extra:docs': '/home/al/My Docs',
  })
  const there = layout({
    home: '/home/al',
    state: '/home/al/.claw',
    'extra:docs': '/mnt/Jörgs "x"',
  })
  const rules = rulesBetween(spaced, there)

  test.each([
    ['/home/al/My Docs/x', '/mnt/Jörgs "x"/x'],
    ['file:///home/al/My%20Docs/x', 'file:///mnt/J%C3%B6rgs%20%22x%22/x'],
    ['d=%2fhome%2Fal%2FMy%20Docs', 'd=%2Fmnt%2FJ%C3%B6rgs%20%22x%22'],
    [String.raw`ls /home/al/My\ Docs/x`, String.raw`ls /mnt/Jörgs\ "x"/x`],
    ['/home/al/My Docs 2', '/mnt/Jörgs "x" 2'],
  ])('%j', (text, expected) => {
    expect(rewriteText(text, rules)).toBe(expected)
  })

  test('a letter escaped in JSON is found in either case, and what is written is escaped too', () => {
    const back = rulesBetween(there, spaced)
    expect(rewriteText(String.raw`"/mnt/J\u00f6rgs \"x\"/y"`, back)).toBe('"/home/al/My Docs/y"')
    expect(rewriteText(String.raw`"/mnt/Jörgs \"x\"/y"`, back)).toBe('"/home/al/My Docs/y"')
  })

  test('a target with a space is percent-encoded behind a scheme', () => {
    const toSpace = rulesBetween(layout({ home: '/h' }), layout({ home: '/a b' }))
    expect(rewriteText('file:///h/x /h/x', toSpace)).toBe('file:///a%20b/x /a b/x')
  })

  test('bytes that are not UTF-8 are part of a name', () => {
    const odd = rulesBetween(layout({ home: '/home/a\udcff' }), layout({ home: '/b' }))
    expect(rewriteText('/home/a\udcff/x /home/a\udcff\udcfe', odd)).toBe('/b/x /home/a\udcff\udcfe')
    expect(rewriteText('/home/a%FF/x', odd)).toBe('/b/x')
    expect(
      rewriteText('/h\udcff', rulesBetween(layout({ home: '/h' }), layout({ home: '/b' }))),
    ).toBe('/h\udcff')
  })
})

describe('a path from the home', () => {
  test('stays when it resolves to the same thing on the target', () => {
    expect(rewriteText('ls ~/.claw/x ~/notes ~', toBob)).toBe('ls ~/.claw/x ~/notes ~')
  })

  test('changes when its root lies elsewhere on the target', () => {
    expect(rewriteText('cd ~/work/x; ls ~/workshop', toBob)).toBe('cd /data/work/x; ls ~/workshop')
    const within = rulesBetween(AL, layout({ ...BOB.roots, 'workspace:work': '/srv/bob/ws/w' }))
    expect(rewriteText('~/work/x', within)).toBe('~/ws/w/x')
  })
})

describe('roots that overlap', () => {
  test('a new home inside the old one is not rewritten twice', () => {
    const rules = rulesBetween(layout({ home: '/home/al' }), layout({ home: '/home/al/old' }))
    expect(rewriteText('/home/al/x /home/al', rules)).toBe('/home/al/old/x /home/al/old')
  })

  test('two workspaces change places in one pass', () => {
    const rules = rulesBetween(
      layout({ 'workspace:a': '/w/a', 'workspace:b': '/w/b' }),
      layout({ 'workspace:a': '/w/b', 'workspace:b': '/w/a' }),
    )
    expect(rewriteText('/w/a/x /w/b/y', rules)).toBe('/w/b/x /w/a/y')
    expect(rewritePath('/w/a', rules)).toBe('/w/b')
  })

  test('a home that is the root of the disk is not a rule for every path', () => {
    const rules = rulesBetween(
      layout({ home: '/', state: '/.claw' }),
      layout({ home: '/srv/bob', state: '/srv/bob/.claw' }),
    )
    expect(rewriteText('/usr/bin /.claw/x', rules)).toBe('/usr/bin /srv/bob/.claw/x')
    const toRoot = rulesBetween(layout({ home: '/h' }), layout({ home: '/' }))
    expect(rewriteText('/h/x "/h"', toRoot)).toBe('/x "/"')
    expect(rewritePath('/h/x', toRoot)).toBe('/x')
  })
})

test('a value that is a path is taken whole', () => {
  expect(rewritePath('/home/al', toBob)).toBe('/srv/bob')
  expect(rewritePath('/home/al/work/a b', toBob)).toBe('/data/work/a b')
  expect(rewritePath('/home/al 2/x', toBob)).toBe('/home/al 2/x')
  expect(rewritePath('/home/al,x', toBob)).toBe('/home/al,x')
  expect(rewritePath('~/work', toBob)).toBe('/data/work')
})

/** Mulberry32: the same cases every time, named by their seed. */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

describe('for any roots and any text', () => {
  const words = ['a', 'al', 'alice', 'al-2', 'ws', 'My Docs', 'x.y', 'ö', '100%', 'it"s', '.claw']
  const glue = [' ', '\n', '"', ' "', "'", '=', ':', ', ', '(', ') ', '; ', ' - ', '`', '<', '> ']

  const cases = Array.from({ length: 400 }, (_, seed) => {
    const next = random(seed + 1)
    const pick = <T>(of: readonly T[]) => of[Math.floor(next() * of.length)] as T
    const name = () =>
      Array.from({ length: 1 + Math.floor(next() * 3) }, () => pick(words)).join('/')
    const from: Record<string, string> = { home: `/old/${name()}` }
    const to: Record<string, string> = { home: `/new/h/${name()}` }
    from['state'] = `${from['home']}/.claw`
    to['state'] = `/new/s/${name()}`
    for (let i = 0; i < 3; i++) {
      const inside = pick([from['home'], from['state'], '/old/elsewhere'])
      from[`workspace:${i}`] = `${inside}/${name()}${i}`
      to[`workspace:${i}`] = `/new/${i}/${name()}`
    }
    const text = Array.from({ length: 12 }, () => {
      const root = pick(Object.values(from))
      const path = pick([
        root,
        `${root}/${name()}`,
        `${root}2`,
        `/other${root}`,
        `/usr/${name()}`,
        name(),
      ])
      return pick(glue) + path
    }).join('')
    return { seed, from: layout(from), to: layout(to), text }
  })

  test('there and back again is where it began', () => {
    let changed = 0
    for (const { seed, from, to, text } of cases) {
      const there = rewriteText(text, rulesBetween(from, to))
      if (there !== text) changed++
      expect(rewriteText(there, rulesBetween(to, from)), `seed ${seed}`).toBe(text)
    }
    expect(changed).toBeGreaterThan(300)
  })

  test('a second pass changes nothing where old and new roots are apart', () => {
    for (const { from, to, text } of cases) {
      const rules = rulesBetween(from, to)
      const once = rewriteText(text, rules)
      expect(rewriteText(once, rules)).toBe(once)
      expect(pathsIn(once, rules)).toEqual([])
    }
  })

  test('one of the marks stands in every text with a path, and none in one without a root', () => {
    for (const { seed, from, to, text } of cases) {
      const rules = rulesBetween(from, to)
      const marks = marksOf(rules)
      for (const spell of [String, encodeURIComponent, encodeURI, JSON.stringify]) {
        const spelled = spell(text)
        if (pathsIn(spelled, rules).length === 0) continue
        expect(
          marks.some((mark) => spelled.includes(mark)),
          `seed ${seed}`,
        ).toBe(true)
      }
      expect(marks.some((mark) => '/usr/lib and ~ alone'.includes(mark))).toBe(false)
    }
  })

  test('text without any of the paths is untouched', () => {
    for (const { from, to, text } of cases) {
      const elsewhere = text.replaceAll('/old/', '/young/')
      expect(rewriteText(elsewhere, rulesBetween(from, to))).toBe(elsewhere)
    }
  })
})

import { expect, test } from 'vitest'
import { readDeletion, readListing, textOf, writeDeletion } from './xml.ts'

const page = (inner: string) =>
  `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ListBucketResult>`

test('reads a page of a listing, and how it goes on', () => {
  const text =
    page(`<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>
    <Contents><Key>p/&lt;&#38;&#x27;&quot;</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>
    <Contents>
      <Key>p/2</Key><LastModified>2026-01-02T03:04:05Z</LastModified><Size>1</Size>
    </Contents>`)
  expect(readListing(text)).toEqual({
    objects: [
      { key: `p/<&'"`, at: Date.UTC(2026, 0, 2, 3, 4, 5, 678) },
      { key: 'p/2', at: Date.UTC(2026, 0, 2, 3, 4, 5) },
    ],
    next: 'a&b=',
  })
  expect(readListing(page('<IsTruncated>false</IsTruncated>'))).toEqual({
    objects: [],
    next: undefined,
  })
})

test('takes nothing else for a listing', () => {
  expect(() => readListing('<html>Log in</html>')).toThrow('not a listing')
  expect(() => readListing('')).toThrow('not a listing')
})

test('writes what is to be removed, and reads what was not', () => {
  expect(writeDeletion(['a/<b>&'])).toContain('<Key>a/&#60;b&#62;&#38;</Key>')
  const said = `<DeleteResult><Deleted><Key>a</Key></Deleted>
    <Error><Key>b</Key><Code>AccessDenied</Code></Error>
    <Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>`
  expect(readDeletion(said)).toEqual(['AccessDenied'])
  expect(readDeletion('<DeleteResult/>')).toEqual([])
  expect(readDeletion('<html>Log in</html>')).toBeUndefined()
})

test('finds why a server says no', () => {
  const said = '<Error><Code>NoSuchBucket</Code><Message>&lt;Code&gt;x</Message></Error>'
  expect(textOf(said, 'Code')).toBe('NoSuchBucket')
  expect(textOf('<html/>', 'Code')).toBeUndefined()
})

/** Sections, as they are named on the command line. */
import { OcmError, SECTIONS, type Section } from '@ocm/protocol'

/** @throws OcmError 'wrong-use' */
export function sectionNamed(name: string): Section {
  const section = SECTIONS.find((one) => one === name)
  if (section === undefined) {
    throw new OcmError('wrong-use', { what: `A section is one of ${SECTIONS.join(', ')}` })
  }
  return section
}

/** Null for all of them. @throws OcmError 'wrong-use' */
export const sectionsNamed = (names: readonly string[] | undefined): Section[] | null =>
  names === undefined ? null : names.map(sectionNamed)

/**
 * The program of the threads as one text, CommonJS, where there is no file to start them from: scripts/build.ts puts it
 * here when it makes `ocm` one file. Undefined when the sources themselves run.
 */
export const threadProgram: string | undefined = undefined

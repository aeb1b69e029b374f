/**
 * The program of thread.ts as one text, CommonJS, where there is no file to start it from: scripts/build.ts puts it here
 * when it makes the hub one file. Undefined when the sources themselves run.
 */
export const threadProgram: string | undefined = undefined

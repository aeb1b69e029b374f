/** JSON lines on stderr. What could hold a secret is not written: headers, bodies and queries never get here. */
import pino, { type Logger } from 'pino'

export const createLog = (level: string): Logger =>
  pino(
    {
      level,
      base: null,
      redact: {
        paths: [
          '*.password',
          '*.secret',
          '*.token',
          '*.cookie',
          '*.authorization',
          'password',
          'secret',
          'token',
          'req.headers',
        ],
        censor: '[secret]',
      },
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  )

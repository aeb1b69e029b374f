/** One version for hub, agent, command and dashboard. */
export const VERSION = '0.1.0'

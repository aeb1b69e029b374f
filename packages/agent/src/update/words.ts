/** In the environment of a release: the program that was installed, which started it; and that it is on trial. */
export const BASE = 'OCM_AGENT_BASE'
export const TRIAL = 'OCM_AGENT_ON_TRIAL'

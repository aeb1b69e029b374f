/** Whether what this page sends can be read and changed on its way. */

const HERE = /^(localhost|127\.[\d.]+|\[::1\])$/

/**
 * @param page where the page came from
 * @param insecure the hub was told to listen to others without TLS: then somebody is exposed, if not this page
 */
export const isExposed = (
  { protocol, hostname }: Pick<Location, 'protocol' | 'hostname'>,
  insecure: boolean,
): boolean => protocol === 'http:' && (insecure || !HERE.test(hostname))

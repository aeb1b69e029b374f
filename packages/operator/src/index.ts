export const placeholder = 'operator'

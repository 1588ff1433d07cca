import type { Scenario } from './scenario.ts'

export const keys: readonly Scenario[] = []

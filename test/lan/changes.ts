import type { Scenario } from './scenario.ts'

export const changes: readonly Scenario[] = []

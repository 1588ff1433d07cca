import { etcd } from './etcd.ts'
import { lamportd } from './lamportd.ts'
import { liveMutex } from './live-mutex.ts'
import { redis } from './redis.ts'
import { zooKeeper } from './zookeeper.ts'

import type { Contender } from './peer.ts'

/** What people would use instead of lamportd. */
export const OTHERS: readonly Contender[] = [redis, etcd, zooKeeper, liveMutex]

export const CONTENDERS: readonly Contender[] = [lamportd, ...OTHERS]

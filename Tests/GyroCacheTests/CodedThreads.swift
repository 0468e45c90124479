import CGyroParallel

/// Runs `body` with so many threads.
func withThreads<Result>(_ count: Int32, _ body: () throws -> Result) rethrows -> Result {
  let before = gyro_thread_count()
  gyro_set_thread_count(count)
  defer { gyro_set_thread_count(before) }
  return try body()
}

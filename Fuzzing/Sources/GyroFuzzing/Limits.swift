import Foundation

/// What one input may cost. Inputs are a few kilobytes, so these are generous.
public enum Limits {
  /// Seconds of processor time.
  public static let seconds = 1.0
  /// Bytes by which an input may raise the most memory ever in use.
  public static let residentBytes = 96 << 20
  /// Bytes of address space, so that a count taken at its word fails at once.
  public static let addressSpace = 6 << 30

  /// Limits the address space of this process.
  public static func apply() {
    var limit = rlimit()
    limit.rlim_cur = rlim_t(addressSpace)
    limit.rlim_max = rlim_t(addressSpace)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }

  static var processorSeconds: Double {
    var now = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
  }

  /// The most memory ever in use, in bytes.
  static var peakBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }
}

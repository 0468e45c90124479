import CLibFuzzer
import Foundation
import GyroFuzzing

// `gyro-fuzz TARGET [libFuzzer's options] [folders or files]`: see README.md. libFuzzer brings `main`
// and calls the three functions below.

/// The target under test and what changes its inputs; set once, before the first input.
nonisolated(unsafe) private var run: FuzzRun?
nonisolated(unsafe) private var mutator: Mutator?
nonisolated(unsafe) private var folder: ScratchFolder?

/// Called once, before anything else: takes the target out of the arguments.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ count: UnsafeMutablePointer<Int32>,
  _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
  let arguments = (0..<Int(count.pointee)).compactMap {
    words.pointee[$0].map { String(cString: $0) }
  }
  if arguments.count == 3, arguments[1] == "seeds" {
    try! writeSeeds(to: URL(filePath: arguments[2]))
    exit(0)
  }
  guard arguments.count >= 2,
    let target = FuzzTarget.all.first(where: { $0.name == arguments[1] })
  else {
    let names = FuzzTarget.all.map(\.name).joined(separator: ", ")
    FileHandle.standardError.write(
      Data(
        """
        usage: gyro-fuzz TARGET [-runs=N] [-seed=S] [other options of libFuzzer] [CORPUS…]
               gyro-fuzz seeds FOLDER
        targets: \(names)

        """.utf8))
    exit(2)
  }
  for place in 1..<arguments.count { words.pointee[place] = words.pointee[place + 1] }
  count.pointee -= 1

  // Swift's own report of a trap would keep libFuzzer from saving the input.
  for number in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] { signal(number, SIG_DFL) }
  Limits.apply()
  let scratch = ScratchFolder()
  folder = scratch
  run = FuzzRun(target, in: scratch)
  mutator = Mutator(target.shape)
  atexit {
    guard let run else { return }
    print("\(run.name): \(run.taken) inputs taken, \(run.refused) refused")
    folder?.remove()
  }
  return 0
}

/// Called for every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
  run?(size == 0 ? [] : Array(UnsafeBufferPointer(start: data, count: size)))
  return 0
}

/// Called for mutations: a fifth of them are libFuzzer's own.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ limit: Int, _ seed: UInt32
) -> Int {
  var random = SplitMix(seed: UInt64(seed))
  guard random.below(5) > 0, let mutator else { return LLVMFuzzerMutate(data, size, limit) }
  let changed = mutator.mutate(
    Array(UnsafeBufferPointer(start: data, count: size)), limit: limit, &random)
  for (place, byte) in changed.enumerated() { data[place] = byte }
  return changed.count
}

/// Writes every target's seeds where its corpus is.
private func writeSeeds(to corpus: URL) throws {
  for target in FuzzTarget.all {
    let folder = corpus.appending(path: target.name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for seed in try target.seeds() {
      try Data(seed.bytes).write(to: folder.appending(path: "seed-" + seed.name))
    }
  }
}

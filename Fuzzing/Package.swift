// swift-tools-version: 6.2
import PackageDescription

/// Fuzz targets for everything that reads files of strangers. Nested, so that users of Gyro never
/// build it. Build with `--sanitize fuzzer`: the engine is LLVM's libFuzzer, part of the toolchain.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "gyro-fuzzing",
  dependencies: [.package(name: "gyro", path: "..")],
  targets: [
    .target(name: "CLibFuzzer"),
    .target(
      name: "GyroFuzzing", dependencies: [.product(name: "Gyro", package: "gyro")],
      swiftSettings: settings),
    .executableTarget(
      name: "gyro-fuzz", dependencies: ["GyroFuzzing", "CLibFuzzer"], swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

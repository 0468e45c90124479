// swift-tools-version: 6.2
import PackageDescription

/// Gyro: quantization-aware training for small models on Linux CPUs.
///
/// Data flows one way through the targets: data → model → quantize → train → export.
/// The trait `OneDNN` (on by default) adds the fast matrix engine; without it OpenBLAS does everything.
/// Continuous integration treats warnings as errors; a user's newer compiler must not fail on one.
let isStrict = Context.environment["CI"] != nil

let features: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// Settings of the sources. (The macros of the test library expand to code that warns.)
let swift: [SwiftSetting] = features + (isStrict ? [.treatAllWarnings(as: .error)] : [])

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies,
    exclude: goldens.contains(name) ? ["Goldens"] : [], swiftSettings: features)
}

/// Test targets that keep golden files (read through `#filePath`, never bundled).
let goldens: Set<String> = [
  "GyroText", "GyroModels", "GyroQuantization", "GyroOptimization", "GyroExport",
]

let package = Package(
  name: "gyro",
  products: [
    .library(name: "Gyro", targets: ["Gyro"]),
    .executable(name: "gyro", targets: ["gyro-command"]),
  ],
  traits: [
    .default(enabledTraits: ["OneDNN"]),
    .trait(name: "OneDNN", description: "Matrix products on oneDNN (libdnnl-dev)."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.30.0"),
  ],
  targets: [
    // System libraries and kernels.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev", "liblapacke-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CGyroParallel", linkerSettings: [.linkedLibrary("gomp")]),
    .target(
      name: "CGyroMatmul", dependencies: ["CGyroParallel", "COpenBLAS"],
      cSettings: [
        .define("GYRO_OPENBLAS"), .define("GYRO_ONEDNN", .when(traits: ["OneDNN"])),
      ],
      linkerSettings: [
        .linkedLibrary("dnnl", .when(traits: ["OneDNN"])), .linkedLibrary("m"),
      ]),
    .target(
      name: "CGyroKernels", dependencies: ["CGyroParallel"],
      cSettings: [.headerSearchPath("Shared")],
      linkerSettings: [.linkedLibrary("m")]),

    // Numbers and derivatives.
    library("GyroTensors", ["CGyroParallel", "CGyroMatmul", "CGyroKernels", "COpenBLAS"]),
    library("GyroManifolds", ["GyroTensors", "CGyroKernels", "CGyroParallel"]),
    library(
      "GyroAutodiff", ["GyroTensors", "GyroManifolds", "CGyroKernels", "CGyroParallel"]),

    // Models and data.
    library("GyroModels", ["GyroTensors", "GyroAutodiff"]),
    library("GyroText", []),
    library("GyroDatasets", ["GyroTensors", "GyroText", "CZlib"]),

    // Quantization and checkpoints.
    library(
      "GyroQuantization",
      ["GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "CGyroKernels"]),
    library(
      "GyroRotation",
      [
        "GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "GyroQuantization",
        "GyroOptimization",
      ]),
    library(
      "GyroPostTraining",
      [
        "GyroTensors", "GyroAutodiff", "GyroModels", "GyroQuantization", "CGyroKernels",
        "CGyroMatmul", "COpenBLAS",
      ]),
    library(
      "GyroCache",
      [
        "GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "GyroText",
        "GyroQuantization", "CGyroKernels", "CGyroParallel",
      ]),
    library(
      "GyroCheckpoints",
      ["GyroTensors", "GyroModels", "GyroText", "GyroQuantization", "CGyroKernels"]),

    .target(
      name: "GyroExport",
      dependencies: [
        "GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "GyroText",
        "GyroQuantization", "GyroCheckpoints",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["ONNX/Messages/onnx.proto"], swiftSettings: swift),

    // Training.
    library(
      "GyroOptimization", ["GyroTensors", "GyroManifolds", "GyroModels", "CGyroKernels"]),
    library(
      "GyroTraining",
      [
        "GyroTensors", "GyroAutodiff", "GyroModels", "GyroOptimization", "GyroCheckpoints",
        "GyroQuantization", "CGyroKernels",
      ]),
    library(
      "GyroExperiments",
      [
        "GyroTensors", "GyroAutodiff", "GyroModels", "GyroText", "GyroDatasets",
        "GyroQuantization", "GyroRotation", "GyroManifolds", "GyroPostTraining",
        "GyroCache", "GyroCheckpoints", "GyroExport", "GyroOptimization", "GyroTraining", "Yams",
      ]),

    // Front doors.
    library(
      "Gyro",
      [
        "GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "GyroText", "GyroDatasets",
        "GyroQuantization", "GyroRotation", "GyroPostTraining", "GyroCache", "GyroCheckpoints",
        "GyroExport", "GyroOptimization", "GyroTraining", "GyroExperiments",
      ]),
    .executableTarget(
      name: "gyro-command",
      dependencies: [
        "Gyro", "CGyroMatmul", "CGyroParallel",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/gyro", swiftSettings: swift),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["GyroTensors", "GyroAutodiff", "GyroModels"],
      path: "Tests/TestSupport", swiftSettings: swift),
    tests("GyroTensors", ["CGyroMatmul", "CGyroKernels", "CGyroParallel", "COpenBLAS"]),
    tests("GyroManifolds", ["GyroTensors", "CGyroKernels", "CGyroParallel"]),
    tests("GyroAutodiff", ["GyroTensors", "GyroManifolds", "CGyroKernels", "CGyroParallel"]),
    tests("GyroModels", ["GyroTensors", "GyroAutodiff", "GyroCheckpoints"]),
    tests("GyroText", []),
    tests("GyroDatasets", ["GyroTensors", "GyroText", "CZlib"]),
    tests(
      "GyroQuantization",
      ["GyroTensors", "GyroAutodiff", "GyroModels", "CGyroKernels", "CGyroParallel"]),
    tests(
      "GyroRotation",
      [
        "GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "GyroQuantization",
        "GyroOptimization", "GyroCheckpoints",
      ]),
    tests(
      "GyroPostTraining",
      ["GyroTensors", "GyroAutodiff", "GyroModels", "GyroQuantization", "CGyroKernels"]),
    tests(
      "GyroCache",
      [
        "GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "GyroQuantization",
        "CGyroKernels", "CGyroParallel",
      ]),
    tests(
      "GyroCheckpoints",
      ["GyroTensors", "GyroModels", "GyroText", "GyroQuantization", "CGyroKernels"]),
    tests(
      "GyroExport",
      [
        "GyroTensors", "GyroManifolds", "GyroAutodiff", "GyroModels", "GyroText",
        "GyroQuantization", "GyroCheckpoints",
      ]),
    tests("GyroOptimization", ["GyroTensors", "GyroManifolds", "GyroModels", "CGyroKernels"]),
    tests(
      "GyroTraining",
      [
        "GyroTensors", "GyroModels", "GyroAutodiff", "GyroOptimization", "GyroCheckpoints",
        "GyroQuantization", "CGyroKernels",
      ]),
    tests("GyroExperiments", ["Gyro"]),
  ],
  swiftLanguageModes: [.v6]
)

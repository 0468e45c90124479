import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors

/// The online Hadamard transforms of a model as `transform_config` and the tensors it needs.
///
/// That library multiplies by a matrix of ±1 and divides by √n. Sylvester's matrix goes by the name
/// `hadamard`; others are saved once, with the first module that uses them, as `random-hadamard`, or,
/// where no matrix of ±1 has the size, as `random-matrix`, whose entries are used as they are.
struct CompressedTransforms {
  /// One group of modules that share a matrix.
  struct Group {
    let name: String
    let kind: String
    /// The size of a block where the matrix is block-diagonal, or of a head.
    let blockSize: Int?
    let apply: [[String: Any]]
    /// The matrix and its tensor names; none where the runtime makes it.
    let matrix: Tensor?
    let tensors: [String]

    var json: [String: Any] {
      var object: [String: Any] = [
        "type": kind, "randomize": false, "requires_grad": false, "precision": "torch.float32",
        "apply": apply,
      ]
      if let blockSize { object["head_dim"] = blockSize }
      return object
    }
  }

  private(set) var groups: [Group] = []
  /// What runs where, for notes.
  private(set) var hasFeedForward = false, hasKeys = false
  /// Whether queries and keys are rotated and nobody needs to know, as keys stay float.
  private(set) var dropsKeys = false

  /// - Parameter quantizesKeys: whether the file says that keys are quantized.
  init(_ plan: QuantizationPlan?, sites: [Site], quantizesKeys: Bool) {
    guard let plan else { return }
    let transforms = plan.online.transforms
    let inputs = sites.filter { $0.kind == .input && transforms[$0.path] != nil }
    if let first = inputs.first {
      hasFeedForward = true
      groups.append(Self.feedForward(transforms[first.path]!, inputs))
    }
    let keys = sites.filter { $0.kind == .keys && transforms[$0.path] != nil }
    guard let first = keys.first else { return }
    guard quantizesKeys else {
      dropsKeys = true
      return
    }
    hasKeys = true
    groups.append(Self.keys(transforms[first.path]!, keys))
  }

  private static func feedForward(_ transform: HadamardTransform, _ sites: [Site]) -> Group {
    let modules = sites.map { $0.path.name.dropLast(".input".count) }
    let target = ["re:.*down_proj$"]
    let form = Form(transform)
    return Group(
      name: "R4", kind: form.kind, blockSize: form.size == transform.size ? nil : form.size,
      apply: [
        ["targets": target, "location": "input", "inverse": false, "ignore": [String]()],
        ["targets": target, "location": "weight_input", "inverse": true, "ignore": [String]()],
      ],
      matrix: form.matrix, tensors: modules.prefix(1).map { $0 + ".R4_input.weight" })
  }

  private static func keys(_ transform: HadamardTransform, _ sites: [Site]) -> Group {
    let modules = sites.map { $0.path.name.dropLast(".keys".count) }
    let target = ["re:.*self_attn$"]
    let form = Form(transform)
    return Group(
      name: "R3", kind: form.kind, blockSize: form.size,
      apply: ["q_attn", "k_cache"].map { location in
        ["targets": target, "location": location, "inverse": false, "ignore": [String]()]
      },
      matrix: form.matrix, tensors: modules.prefix(1).map { $0 + ".R3_q_attn.weight" })
  }

  /// A transform in the library's terms: the matrix of one block.
  struct Form {
    let kind: String
    /// The extent of a block.
    let size: Int
    let matrix: Tensor?

    init(_ transform: HadamardTransform) {
      let whole = transform.matrix
      size = Self.blockSize(transform, whole)
      let n = size
      let root = Double(n).squareRoot()
      var elements: [Float] = []
      elements.reserveCapacity(n * n)
      var isHadamard = true
      for row in 0..<n {
        for column in 0..<n {
          let scaled = whole[row, column] * root
          isHadamard = isHadamard && abs(abs(scaled) - 1) < 1e-9
          elements.append(Float(whole[row, column]))
        }
      }
      if isHadamard {
        elements = elements.map { $0 < 0 ? -1 : 1 }
        let isSylvester = (0..<n).allSatisfy { row in
          (0..<n).allSatisfy { column in
            (elements[row * n + column] < 0) == !((row & column).nonzeroBitCount.isMultiple(of: 2))
          }
        }
        kind = isSylvester && n.nonzeroBitCount == 1 ? "hadamard" : "random-hadamard"
      } else {
        kind = "random-matrix"
      }
      matrix = kind == "hadamard" ? nil : Tensor([n, n], elements: elements)
    }

    /// The smallest block that, repeated, makes up the matrix.
    private static func blockSize(_ transform: HadamardTransform, _ matrix: Matrix64) -> Int {
      guard case .blocks(let size) = transform.construction, size > 0,
        transform.size.isMultiple(of: size)
      else { return transform.size }
      let n = transform.size
      // Random signs make every block its own.
      let repeats = (0..<n).allSatisfy { row in
        (0..<n).allSatisfy { column in
          let inside = row / size == column / size
          return matrix[row, column]
            == (inside ? matrix[row % size, column % size] : 0)
        }
      }
      return repeats ? size : n
    }
  }

  /// `transform_config`; nil when nothing runs online.
  var json: [String: Any]? {
    guard !groups.isEmpty else { return nil }
    return [
      "config_groups": Dictionary(uniqueKeysWithValues: groups.map { ($0.name, $0.json) })
    ]
  }

  /// What a file keeps of a transform.
  static func fidelity(_ site: Site, _ transform: HadamardTransform) -> Fidelity {
    switch site.kind {
    case .queries, .keys:
      .leftToRuntime(
        "R3 cancels where keys stay float; beside a quantized cache transform_config says it, which "
          + "transformers and vLLM pass over")
    default:
      .leftToRuntime(
        "transform_config says it; vLLM applies it (sizes 2^k, layers without bias), transformers "
          + "passes over it and computes something else: \(advice)")
    }
  }

  static let advice = "train with rotations [r1, r2], which merge completely, to run everywhere"
}

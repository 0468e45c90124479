import GyroCheckpoints
import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors

/// A model's forward pass, written down as a graph: the layers that models are made of.
///
/// Each weight is written where a layer first asks for it; what was written is measured against the
/// model in `report`.
struct ONNXForward {
  var graph = ONNXGraph()
  var report: ExportReport
  let model: ShippedModel
  let parameters: ParameterStore
  let floats: ONNXFloats
  /// Codes and scales of the quantized weights.
  let codes: [ParameterPath: QuantizedTensor]
  /// Weights that are written already, by name and whether they are transposed.
  private var written: [String: ONNXValue] = [:]
  /// Matrices of online transforms, which layers share.
  private var matrices: [HadamardTransform: ONNXValue] = [:]

  init(_ model: ShippedModel, _ options: ExportOptions) throws(ExportError) {
    self.model = model
    parameters = model.parameters
    var codes: [ParameterPath: QuantizedTensor] = [:]
    for path in parameters.paths { codes[path] = model.codes(at: path) }
    self.codes = codes
    let dense = model.tensorPaths.filter { codes[$0] == nil }
    floats = try ONNXFloats(options.floatType, for: dense.map { model.parameters[$0] })
    report = ExportReport(format: ONNXExporter.format, fingerprint: model.scheme?.fingerprint)
  }

  // MARK: Weights

  /// A weight, table, gain or offset, as Float32 numbers.
  mutating func weight(_ path: ParameterPath, isTransposed: Bool = false) -> ONNXValue {
    let key = path.name + (isTransposed ? " transposed" : "")
    if let known = written[key] { return known }
    let value: ONNXValue
    if let codes = codes[path] {
      value = graph.weight(path.name, codes, isTransposed: isTransposed)
      let bytes = graph.initializers.reduce(0) {
        $0 + ($1.name.hasPrefix(path.name + "_") ? $1.rawData.count : 0)
      }
      let storage = ONNXCodes(codes.format, isSymmetric: codes.isSymmetric)
      report.add(
        path, "\(storage.name) \(codes.granularity)", byteCount: bytes, trained: parameters[path])
    } else {
      let tensor = parameters[path]
      value = graph.floats(path.name, tensor, floats, isTransposed: isTransposed)
      report.add(
        path, floats.type.rawValue, byteCount: tensor.count * floats.type.byteCount,
        trained: tensor, stored: floats.type == .float32 ? nil : floats.rounded(tensor))
    }
    written[key] = value
    return value
  }

  private func bias(_ scope: String) -> ParameterPath? {
    let path = ParameterPath(scope + ".bias")
    return parameters.contains(path) ? path : nil
  }

  // MARK: Layers

  /// `x · wᵀ + b` of a matrix with any number of axes in front.
  mutating func linear(_ x: ONNXValue, _ scope: String) -> ONNXValue {
    let product = graph.matmul(
      x, weight(ParameterPath(scope + ".weight"), isTransposed: true))
    guard let bias = bias(scope) else { return product }
    return graph.add(product, weight(bias))
  }

  /// The same of rows alone, with the weight as it is in the model.
  mutating func rows(_ x: ONNXValue, _ scope: String) -> ONNXValue {
    let matrix = weight(ParameterPath(scope + ".weight"))
    return withBias(scope, columns: [-1]) { bias, graph in
      graph.append(
        "Gemm", [x, matrix] + bias, extents: [x.extents[0], matrix.extents[0]],
        [.integer("transB", 1)])
    }
  }

  /// A convolution of images `[N, C, H, W]`.
  mutating func convolution(
    _ x: ONNXValue, _ scope: String, stride: Int = 1, padding: Int? = nil, groups: Int = 1
  ) -> ONNXValue {
    let kernel = weight(ParameterPath(scope + ".weight"))
    let size = kernel.extents[2]!
    let padding = padding ?? (size - 1) / 2
    func extent(_ axis: Int) -> Int? {
      x.extents[axis].map { ($0 + 2 * padding - size) / stride + 1 }
    }
    return withBias(scope, columns: [-1, 1, 1]) { bias, graph in
      graph.append(
        "Conv", [x, kernel] + bias,
        extents: [x.extents[0], kernel.extents[0], extent(2), extent(3)],
        [
          .integers("kernel_shape", [size, size]), .integers("strides", [stride, stride]),
          .integers("pads", [padding, padding, padding, padding]), .integer("group", groups),
        ])
    }
  }

  /// A product with its bias. Beside quantized weights the bias is added afterwards: inside of the
  /// operator, runtimes round it to whole numbers.
  private mutating func withBias(
    _ scope: String, columns: [Int],
    _ product: (_ bias: [ONNXValue], inout ONNXGraph) -> ONNXValue
  ) -> ONNXValue {
    guard let path = bias(scope) else { return product([], &graph) }
    let bias = self.weight(path)
    guard codes[ParameterPath(scope + ".weight")] != nil else {
      return product([bias], &graph)
    }
    let shaped = columns.count == 1 ? bias : graph.reshape(bias, to: columns)
    return graph.add(product([], &graph), shaped)
  }

  /// Batch normalization by the running statistics.
  mutating func batchNorm(_ x: ONNXValue, _ scope: String) -> ONNXValue {
    let inputs = ["weight", "bias", "running_mean", "running_var"].map {
      weight(ParameterPath(scope + "." + $0))
    }
    return graph.append(
      "BatchNormalization", [x] + inputs, extents: x.extents, [.number("epsilon", 1e-5)])
  }

  // MARK: Sites

  /// An activation as the next layer sees it: transformed where the scheme rotates, then quantized.
  mutating func activation(
    _ x: ONNXValue, at site: String
  ) throws(ExportError) -> ONNXValue {
    guard let plan = model.plan else { return x }
    let path = ParameterPath(site)
    let seen = plan.online.transforms[path].map { transformed(x, $0) } ?? x
    guard let place = plan.places[path] else { return seen }
    let quantizer = try ONNXQuantizer(place, plan, parameters)
    if let size = quantizer.groupSize, let columns = seen.extents.last!, columns % size != 0 {
      throw .impossible(
        format: ONNXExporter.format, path: site, what: place.rule.summary,
        because: "\(size) does not divide its \(columns) columns",
        instead: "Choose a group that does.")
    }
    return graph.quantize(seen, quantizer)
  }

  /// Whether anything happens to an activation.
  func changes(_ site: String) -> Bool {
    let path = ParameterPath(site)
    return model.plan.map { $0.online.transforms[path] != nil || $0.places[path] != nil } ?? false
  }

  /// The product with a transform's matrix: what the fast transform computes, up to rounding.
  private mutating func transformed(
    _ x: ONNXValue, _ transform: HadamardTransform
  ) -> ONNXValue {
    let size = transform.size
    let matrix: ONNXValue
    if let known = matrices[transform] {
      matrix = known
    } else {
      let name = "hadamard_\(matrices.count)"
      matrix = graph.initializer(name, .float, [size, size], transform.matrix.tensor.elements.data)
      matrices[transform] = matrix
    }
    guard let columns = x.extents.last!, columns != size else { return graph.matmul(x, matrix) }
    let outer = [Int](repeating: 0, count: x.rank - 1)
    let split = graph.reshape(x, to: outer + [columns / size, size])
    return graph.reshape(graph.matmul(split, matrix), to: outer + [columns])
  }
}

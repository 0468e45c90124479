public import GyroModels
public import GyroQuantization
import GyroTensors

/// What a plan does to each tensor and what that costs: bits per weight, and bytes packed against
/// Float32. Runs of layers that differ only in their number are one line.
public struct LayerTable: Sendable, Encodable {
  /// One line.
  public struct Row: Sendable, Encodable {
    /// With `{0…7}` for the numbers of layers.
    public let path: String
    /// How many tensors or sites it stands for.
    public let count: Int
    /// Extents of each tensor; nil for an activation.
    public let shape: [Int]?
    /// The rule, or why it stays float.
    public let rule: String
    public let isQuantized: Bool
    /// Codes, scales and zero points over elements; nil for an activation.
    public let bitsPerWeight: Double?
    /// Bytes of all of them together as codes and scales; nil for an activation.
    public let packedBytes: Int?
    /// Bytes of all of them together in Float32; nil for an activation.
    public let floatBytes: Int?

    enum CodingKeys: String, CodingKey {
      case path, count, shape, rule
      case isQuantized = "quantized"
      case bitsPerWeight = "bits_per_weight"
      case packedBytes = "packed_bytes"
      case floatBytes = "float_bytes"
    }
  }

  public let rows: [Row]
  /// Bytes of all tensors as codes and scales where there are any, in Float32 elsewhere.
  public let packedBytes: Int
  /// Bytes of all tensors in Float32.
  public let floatBytes: Int

  enum CodingKeys: String, CodingKey {
    case rows
    case packedBytes = "packed_bytes"
    case floatBytes = "float_bytes"
  }

  /// - Parameter plan: nil for a float model.
  public init(_ plan: QuantizationPlan?, _ parameters: ParameterStore) {
    var lines = Lines()
    var covered: Set<ParameterPath> = []
    for decision in plan?.decisions ?? [] {
      let quantizer = decision.rule == nil ? nil : plan?.quantizer(at: decision.path)
      covered.insert(decision.path)
      lines.add(
        decision.path, decision.shape?.dimensions,
        decision.rule?.summary ?? "float: \(decision.reason)", decision.rule != nil,
        packed: decision.shape.flatMap { shape in
          quantizer.map { $0.packedByteCount(of: shape) }
        })
    }
    for path in parameters.paths where !covered.contains(path) {
      let kind = parameters.parameter(at: path)?.kind
      lines.add(
        path, parameters[path].shape.dimensions, "float: \(kind?.rawValue ?? "buffer")", false,
        packed: nil)
    }
    rows = lines.rows
    packedBytes = rows.reduce(0) { $0 + ($1.packedBytes ?? 0) }
    floatBytes = rows.reduce(0) { $0 + ($1.floatBytes ?? 0) }
  }

  /// Lines that grow together.
  private struct Lines {
    private struct Line {
      let name: String
      var numbers: [Int]
      var row: Row
    }
    private var lines: [Line] = []
    private var places: [String: Int] = [:]

    mutating func add(
      _ path: ParameterPath, _ shape: [Int]?, _ rule: String, _ isQuantized: Bool, packed: Int?
    ) {
      let (name, number) = path.splitAtLayer
      let elements = shape.map { $0.reduce(1, *) }
      let key = "\(name)\n\(shape ?? [])\n\(rule)"
      let place = places[key] ?? lines.count
      let before = place < lines.count ? lines[place].row : nil
      let floats = elements.map { 4 * $0 }
      let count = (before?.count ?? 0) + 1
      let bytes = (packed ?? floats).map { $0 + (before?.packedBytes ?? 0) }
      let row = Row(
        path: name, count: count, shape: shape, rule: rule, isQuantized: isQuantized,
        bitsPerWeight: elements.flatMap { elements in
          bytes.map { 8 * Double($0) / Double(max(elements * count, 1)) }
        },
        packedBytes: bytes, floatBytes: floats.map { $0 + (before?.floatBytes ?? 0) })
      if before == nil {
        places[key] = lines.count
        lines.append(Line(name: name, numbers: number.map { [$0] } ?? [], row: row))
      } else {
        lines[place].row = row
        if let number { lines[place].numbers.append(number) }
      }
    }

    var rows: [Row] {
      lines.map { line in
        let row = line.row
        return Row(
          path: ParameterPath.joined(line.name, line.numbers), count: row.count,
          shape: row.shape, rule: row.rule, isQuantized: row.isQuantized,
          bitsPerWeight: row.bitsPerWeight, packedBytes: row.packedBytes, floatBytes: row.floatBytes
        )
      }
    }
  }
}

extension Quantizer {
  /// Bytes of a weight as codes at the format's own bits, a row at a time, with scales and zero
  /// points: what a checkpoint of this project holds.
  func packedByteCount(of shape: Shape) -> Int {
    let groups = (try? layout(of: shape).groups) ?? shape.rows
    let codes = shape.rows * ((shape.columns * format.bits + 7) / 8)
    return codes + groups * (scaleFormat.byteCount + (isSymmetric ? 0 : 1))
      + (scaleFormat == .e4m3 ? 4 : 0)
  }
}

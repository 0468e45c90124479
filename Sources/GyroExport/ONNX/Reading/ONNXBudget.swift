import GyroCheckpoints
import GyroModels

/// Holds a configuration against the file it came in: a model of more numbers than the file has room
/// for is not even begun.
struct ONNXBudget {
  private let file: ONNXFile
  /// Numbers of four bits that the file could hold beyond those counted.
  private var left: Int

  private init(_ file: ONNXFile) {
    self.file = file
    left = 2 * file.byteCount
  }

  /// - Throws: ``ExportError/malformed(file:place:expected:found:)``.
  static func check(_ model: LlamaConfiguration, _ file: ONNXFile) throws(ExportError) {
    var budget = ONNXBudget(file)
    // The rotary tables are part of the file.
    try budget.take(model.context, model.headSize, 8)
    try budget.take(model.vocabulary, model.hidden)
    let (hidden, size) = (model.hidden, model.headSize)
    try budget.take(2, model.layers, hidden, model.heads, size)
    try budget.take(2, model.layers, hidden, model.keyValueHeads, size)
    try budget.take(3, model.layers, hidden, model.feedForward)
  }

  /// - Throws: ``ExportError/malformed(file:place:expected:found:)``.
  static func check(_ model: ImageModelConfiguration, _ file: ONNXFile) throws(ExportError) {
    var budget = ONNXBudget(file)
    let image = model.image
    switch model.architecture {
    case .lenet:
      try budget.take(image[0], 150)
      // Two poolings leave less than a quarter of each extent.
      let last = max((image[1] / 2 - 4) / 2, 0)
      try budget.take(1920, last, last)
    case .resnet(let widths, let blocks):
      try budget.take(9, image[0], widths[0])
      for width in widths { try budget.take(9, blocks, width, width) }
    case .mobilenet(let stem, let blocks):
      try budget.take(9, image[0], stem)
      var width = stem
      for block in blocks {
        try budget.take(width, block.width)
        width = block.width
      }
    case .perceptron(let hidden):
      var inputs = image.reduce(1, *)  // at most 2⁶⁰
      for width in hidden + [model.classes] {
        try budget.take(inputs, width)
        inputs = width
      }
    }
    try budget.take(model.classes)
  }

  private mutating func take(_ factors: Int...) throws(ExportError) {
    var product = 1
    for factor in factors {
      let (next, isTooLarge) = product.multipliedReportingOverflow(by: factor)
      product = isTooLarge ? .max : next
      if isTooLarge { break }
    }
    guard product <= left else {
      throw file.malformed(
        "the value of gyro.config", "a model that \(file.byteCount) bytes can hold",
        "extents for more")
    }
    left -= product
  }
}

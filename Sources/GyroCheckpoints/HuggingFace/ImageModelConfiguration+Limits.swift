import GyroModels

extension ImageModelConfiguration {
  /// Makes sure that files of so many bytes can hold the model, before memory is set aside for it: no
  /// layout takes less than a bit for a number.
  func check(heldBy byteCount: Int) throws(ConfigurationError) {
    guard leastCount / 8 <= Double(byteCount) else {
      throw .outOfRange(
        key: "architectures", value: architecture.name,
        reason: "of this shape it would have at least \(leastCount) parameters, which \(byteCount) "
          + "bytes of tensors cannot hold; they belong to different models")
    }
  }

  /// Parameters that a model of this shape has at the least: those of its largest layers.
  private var leastCount: Double {
    func products(_ widths: [Int]) -> Double {
      zip(widths, widths.dropFirst()).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    switch architecture {
    case .lenet:
      let last = Double((image[1] / 2 - 4) / 2)
      return 120 * 16 * last * last + 6 * 25 * Double(image[0]) + 84 * Double(classes)
    case .resnet(let widths, let blocks):
      let stages = widths.reduce(0) { $0 + 9 * Double($1) * Double($1) * Double(blocks) }
      return stages + Double(widths.last ?? 0) * Double(classes)
        + 9 * Double(image[0]) * Double(widths.first ?? 0)
    case .mobilenet(let stem, let blocks):
      return products([stem] + blocks.map(\.width) + [classes])
        + 9 * Double(image[0]) * Double(stem)
    case .perceptron(let hidden):
      return products([image.reduce(1, *)] + hidden + [classes])
    }
  }
}

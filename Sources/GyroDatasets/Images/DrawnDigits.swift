import Foundation
import GyroTensors

/// Handwritten-looking digits, drawn here: images to train on when there are none at hand.
///
/// A digit is drawn as strokes with a random style, size, slant, turn, place, thickness and bend,
/// with soft edges and slight noise. Image `i` shows the digit `i` modulo 10 and follows from the
/// seed and `i` alone.
public enum DrawnDigits {
  /// Height and width of an image.
  public static let side = 28

  /// Draws images `[count, 1, 28, 28]`.
  ///
  /// - Parameters:
  ///   - mean: subtracted from pixels that go from 0 to 1.
  ///   - deviation: divides them afterwards.
  public static func images(
    count: Int, seed: UInt64, mean: Float = 0, deviation: Float = 1
  ) -> ImageSet {
    let root = RandomStream(seed: seed).derived("drawn digits")
    let images = Tensor.filled([count, 1, side, side]) { pointer in
      for index in 0..<count {
        var random = root.derived("digit", index)
        let image = pointer + index * side * side
        draw(index % 10, &random, into: image)
        for pixel in 0..<side * side {
          let noise = 0.12 * (random.uniform() - 0.5) * (random.uniform() + 0.25)
          image[pixel] = (min(max(image[pixel] + noise, 0), 1) - mean) / deviation
        }
      }
    }
    return ImageSet(
      images: images, labels: (0..<count).map { Int32($0 % 10) }, background: -mean / deviation)
  }

  private static func draw(
    _ digit: Int, _ random: inout RandomStream, into image: UnsafeMutablePointer<Float>
  ) {
    func between(_ low: Float, _ high: Float) -> Float { low + (high - low) * random.uniform() }
    let strokes = DigitStrokes.strokes(digit, style: random.integer(below: 6))
    let width = between(15, 22)
    let height = between(17, 21.5)
    let slant = between(-0.1, 0.35)
    let turn = between(-0.2, 0.2)
    let x = between(12.4, 15.6)
    let y = between(12.4, 15.6)
    let thickness = between(0.7, 1.7)
    let strength = between(0.8, 1)
    let bend = between(0, 0.05)
    let bendPhase = between(0, 2 * .pi)
    let bendRate = between(2, 5)
    let cosine = cos(turn)
    let sine = sin(turn)

    image.update(repeating: 0, count: side * side)
    for stroke in strokes {
      let placed = stroke.map { point in
        let u = point.x - 0.5 + bend * sin(bendRate * point.y + bendPhase)
        let v = point.y - 0.5 + bend * cos(bendRate * point.x + bendPhase)
        let a = width * u - slant * height * v
        let b = height * v
        return StrokePoint(x: x + cosine * a - sine * b, y: y + sine * a + cosine * b)
      }
      for (start, end) in zip(placed, placed.dropFirst()) {
        draw(from: start, to: end, thickness, strength, into: image)
      }
    }
  }

  /// One straight piece: full inside, fading over the pixel at its edge.
  private static func draw(
    from start: StrokePoint, to end: StrokePoint, _ halfWidth: Float, _ strength: Float,
    into image: UnsafeMutablePointer<Float>
  ) {
    let reach = halfWidth + 0.5
    let left = max(Int((min(start.x, end.x) - reach).rounded(.down)), 0)
    let right = min(Int((max(start.x, end.x) + reach).rounded(.up)), side)
    let top = max(Int((min(start.y, end.y) - reach).rounded(.down)), 0)
    let bottom = min(Int((max(start.y, end.y) + reach).rounded(.up)), side)
    guard left < right, top < bottom else { return }
    let alongX = end.x - start.x
    let alongY = end.y - start.y
    let squaredLength = max(alongX * alongX + alongY * alongY, 1e-6)
    for row in top..<bottom {
      for column in left..<right {
        let fromX = Float(column) + 0.5 - start.x
        let fromY = Float(row) + 0.5 - start.y
        let place = min(max((fromX * alongX + fromY * alongY) / squaredLength, 0), 1)
        let awayX = fromX - place * alongX
        let awayY = fromY - place * alongY
        let distance = (awayX * awayX + awayY * awayY).squareRoot()
        let ink = strength * min(max(reach - distance, 0), 1)
        image[row * side + column] = max(image[row * side + column], ink)
      }
    }
  }
}

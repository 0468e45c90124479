import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

@Suite struct PoolingTests {
  /// Size, stride and padding of a window.
  struct Window: Sendable, CustomTestStringConvertible {
    let size: (Int, Int), stride: (Int, Int), padding: (Int, Int)
    var testDescription: String { "\(size) by \(stride), padding \(padding)" }

    static let all = [
      Window(size: (2, 2), stride: (2, 2), padding: (0, 0)),
      Window(size: (3, 3), stride: (2, 2), padding: (1, 1)),
      Window(size: (3, 2), stride: (1, 2), padding: (1, 0)),
      Window(size: (5, 4), stride: (3, 1), padding: (2, 2)),
      Window(size: (7, 9), stride: (1, 1), padding: (0, 0)),
    ]
  }

  /// Each window's elements that lie inside the image.
  private func windows(_ x: Tensor, _ w: Window) -> (shape: Shape, contents: [[Float]]) {
    let rows = (x.shape[2] + 2 * w.padding.0 - w.size.0) / w.stride.0 + 1
    let columns = (x.shape[3] + 2 * w.padding.1 - w.size.1) / w.stride.1 + 1
    var contents: [[Float]] = []
    for n in 0..<x.shape[0] {
      for c in 0..<x.shape[1] {
        for v in 0..<rows {
          for u in 0..<columns {
            var inside: [Float] = []
            for i in 0..<w.size.0 {
              for j in 0..<w.size.1 {
                let y = v * w.stride.0 + i - w.padding.0, z = u * w.stride.1 + j - w.padding.1
                if y >= 0 && y < x.shape[2] && z >= 0 && z < x.shape[3] {
                  inside.append(x[n, c, y, z])
                }
              }
            }
            contents.append(inside)
          }
        }
      }
    }
    return ([x.shape[0], x.shape[1], rows, columns], contents)
  }

  @Test(arguments: Window.all)
  func `windows are maximized and averaged as defined`(_ w: Window) {
    var random = RandomStream(seed: 2)
    let x = random.normal([2, 3, 7, 9])
    let (shape, contents) = windows(x, w)
    let variable = Variable(constant: x)
    let largest = variable.maxPooled(size: w.size, stride: w.stride, padding: w.padding).value
    expectSameBits(largest, Tensor(shape, elements: contents.map { $0.max()! }))
    let mean = variable.averagePooled(size: w.size, stride: w.stride, padding: w.padding).value
    let area = Float(w.size.0 * w.size.1)
    expectClose(mean, Tensor(shape, elements: contents.map { $0.reduce(0, +) / area }))
  }

  @Test(arguments: Window.all)
  func `gradients are the derivatives`(_ w: Window) {
    var random = RandomStream(seed: 4)
    // Distinct elements at least 0.1 apart: a step never changes which one is the largest.
    let order = random.permutation(2 * 2 * 7 * 9)
    let spaced = Tensor([2, 2, 7, 9], elements: order.map { Float($0) })
    checkGradients(of: [spaced]) {
      $0[0].maxPooled(size: w.size, stride: w.stride, padding: w.padding)
    }
    checkGradients(of: [random.normal([2, 2, 7, 9])]) {
      $0[0].averagePooled(size: w.size, stride: w.stride, padding: w.padding)
    }
    let windows = PoolingWindows(size: w.size, stride: w.stride, padding: w.padding, name: "test")
    checkNeeds(MaxPoolingOp(windows: windows), [spaced])
    checkNeeds(AveragePoolingOp(windows: windows), [spaced])
  }

  @Test func `of equal elements the first takes the gradient`() {
    let x = Tensor([1, 1, 2, 2], elements: [3, 3, 3, 3])
    let (_, gradients) = valueAndGradients(of: [x]) { $0[0].maxPooled(size: (2, 2)) }
    #expect(gradients[0].elements == [1, 0, 0, 0])
  }

  @Test func `NaN is the largest element of its window`() {
    let x = Tensor([1, 1, 1, 4], elements: [1, .nan, 2, 3])
    let result = Variable(constant: x).maxPooled(size: (1, 2)).value.elements
    #expect(result[0].isNaN && result[1] == 3)
  }

  @Test func `global pooling averages each channel`() {
    var random = RandomStream(seed: 6)
    let x = random.normal([3, 4, 5, 7])
    let mean = Variable(constant: x).globallyAveragePooled().value
    expectClose(mean, x.mean(axes: [2, 3]))
    checkGradients(of: [x]) { $0[0].globallyAveragePooled() }
    checkNeeds(GlobalAveragePoolingOp(), [x])
  }
}

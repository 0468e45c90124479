import GyroModels
import GyroOptimization
import GyroTensors
import Testing

@Suite struct OptimizerTests {
  static func store() -> ParameterStore {
    var store = ParameterStore()
    store.declare("layer.weight", .ones([3, 4]), kind: .linear)
    store.declare("layer.bias", .ones([3]), kind: .bias)
    store.declare("norm.weight", .ones([4]), kind: .normalization)
    store.declare("layer.input.scale", .ones([1]), kind: .quantizer)
    store.declare("norm.mean", .ones([4]), kind: .buffer)
    return store
  }

  static func gradients(_ store: ParameterStore, of value: Float) -> Gradients {
    var gradients = Gradients()
    for path in store.parameterPaths {
      gradients[path] = Tensor(store[path].shape, repeating: value)
    }
    return gradients
  }

  // MARK: Groups

  @Test("A pattern that matches nothing throws, with the names there are")
  func unmatched() {
    let error = #expect(throws: PathError.self) {
      try Optimizer([("lyaer.*", SGD()), ("*", AdamW())], for: Self.store())
    }
    #expect(
      error.map(String.init(describing:))
        == "the pattern 'lyaer.*' matches none of the 4 paths (for example layer.weight, "
        + "layer.bias, norm.weight, layer.input.scale); use * for any run of characters")
  }

  @Test("A buffer is not trained: a pattern that only matches buffers throws")
  func buffers() {
    #expect(throws: PathError.self) {
      try Optimizer([("norm.mean", SGD()), ("*", SGD())], for: Self.store())
    }
  }

  @Test("A parameter without a group throws")
  func uncovered() {
    #expect(throws: OptimizerError.uncovered(["norm.weight"])) {
      try Optimizer([("layer.*", SGD())], for: Self.store())
    }
    #expect(
      OptimizerError.uncovered(["norm.weight"]).description
        == "no optimizer group covers the parameter (norm.weight); end the list with a group for '*'"
    )
  }

  @Test("A group left empty by earlier ones throws")
  func shadowed() {
    let error = #expect(throws: OptimizerError.self) {
      try Optimizer([("*", AdamW()), ("layer.bias", SGD())], for: Self.store())
    }
    #expect(
      error.map(String.init(describing:))
        == "the optimizer group 'layer.bias' covers nothing: every parameter it matches already "
        + "belongs to '*'; the first match wins, so put 'layer.bias' before it")
  }

  @Test("Parameters that are not trained need no group, and a pattern for them throws")
  func trainable() throws {
    let store = Self.store()
    let optimizer = try Optimizer([("*", SGD())], for: store, trainable: "layer.*")
    #expect(
      optimizer.parameters.map(\.path) == ["layer.weight", "layer.bias", "layer.input.scale"])
    #expect(throws: PathError.self) {
      try Optimizer([("norm.*", SGD()), ("*", SGD())], for: store, trainable: "layer.*")
    }
    #expect(throws: OptimizerError.empty) {
      try Optimizer([("*", SGD())], for: store, trainable: "head.*")
    }
  }

  @Test("The first match wins, and each group has its own rate factor")
  func firstMatch() throws {
    var store = Self.store()
    var optimizer = try Optimizer(
      groups: [
        ParameterGroup("layer.weight", SGD(), rateFactor: 10), ParameterGroup("layer.*", SGD()),
        ParameterGroup("*", SGD(), rateFactor: 0),
      ], for: store)
    try optimizer.step(&store, Self.gradients(store, of: 1), rate: 0.01)
    #expect(abs(store["layer.weight"].elements[0] - 0.9) < 1e-6)
    #expect(abs(store["layer.bias"].elements[0] - 0.99) < 1e-6)
    #expect(store["norm.weight"].elements[0] == 1)
    #expect(throws: OptimizerError.self) {
      try Optimizer(groups: [ParameterGroup("*", SGD(), rateFactor: -1)], for: store)
    }
  }

  @Test("By default gains, biases and quantizer parameters do not decay")
  func standardGroups() throws {
    var store = Self.store()
    for rule in [AdamW(weightDecay: 0.1), SGD(weightDecay: 0.1)] as [any UpdateRule] {
      let before = store
      var optimizer = try Optimizer(rule, for: store)
      try optimizer.step(&store, Self.gradients(store, of: 0), rate: 0.5)
      #expect(store["layer.weight"].elements[0] < before["layer.weight"].elements[0])
      for path in ["layer.bias", "norm.weight", "layer.input.scale"] as [ParameterPath] {
        #expect(store[path].elements == before[path].elements)
      }
    }
    var plain = ParameterStore()
    plain.declare("weight", .ones([2, 2]), kind: .linear)
    #expect(ParameterGroup.standard(AdamW(), for: plain).count == 1)
  }

  // MARK: Steps

  @Test("Nothing moves when a gradient is not finite, and the path is named")
  func notFinite() throws {
    var store = Self.store()
    var optimizer = try Optimizer(AdamW(), for: store)
    var gradients = Self.gradients(store, of: 1)
    gradients["norm.weight"] = Tensor([4], elements: [1, 2, .nan, 4])
    let error = #expect(throws: NumericFault.self) {
      try optimizer.step(&store, gradients, rate: 0.1)
    }
    #expect(error?.description == "the gradient is not finite at norm.weight")
    #expect(store["layer.weight"].elements == Self.store()["layer.weight"].elements)
    #expect(optimizer.stepCount == 0)
  }

  @Test("A parameter without a gradient stays, and its step is not counted")
  func missingGradient() throws {
    var store = Self.store()
    var optimizer = try Optimizer(AdamW(weightDecay: 0), for: store)
    var gradients = Gradients()
    gradients["layer.bias"] = .ones([3])
    try optimizer.step(&store, gradients, rate: 0.1)
    #expect(store["layer.weight"].elements == [Float](repeating: 1, count: 12))
    #expect(Array(optimizer.archive.states.keys) == ["layer.bias"])
  }

  @Test("A gradient that belongs to no group throws")
  func stranger() throws {
    var store = Self.store()
    var optimizer = try Optimizer([("*", SGD())], for: store, trainable: "layer.*")
    #expect(throws: OptimizerError.uncovered(["norm.weight"])) {
      try optimizer.step(&store, Self.gradients(Self.store(), of: 1), rate: 0.1)
    }
  }

  @Test("Steps happen in place: no tensor of store or state moves")
  func inPlace() throws {
    var store = Self.store()
    var optimizer = try Optimizer(AdamW(), for: store)
    try optimizer.step(&store, Self.gradients(store, of: 1), rate: 0.1)
    func addresses() -> [Int] {
      let moments = optimizer.archive.states.sorted { $0.key < $1.key }.flatMap { _, state in
        [state.tensors["first"]!, state.tensors["second"]!]
      }
      return (store.parameterPaths.map { store[$0] } + moments).map { tensor in
        tensor.withElements { Int(bitPattern: $0) }
      }
    }
    let before = addresses()
    try optimizer.step(&store, Self.gradients(store, of: 1), rate: 0.1)
    #expect(addresses() == before)
  }

  @Test("A copy of an optimizer is a snapshot; an archive restores it exactly")
  func snapshot() throws {
    var store = Self.store()
    var optimizer = try Optimizer([("layer.*", SGD(momentum: 0.9)), ("*", AdamW())], for: store)
    for step in 0..<5 {
      try optimizer.step(&store, Self.gradients(store, of: Float(step)), rate: 0.1)
    }
    var (otherStore, copy) = (store, optimizer)
    var restored = try Optimizer([("layer.*", SGD(momentum: 0.9)), ("*", AdamW())], for: store)
    try restored.restore(optimizer.archive)
    var restoredStore = store
    for step in 0..<5 {
      let gradients = Self.gradients(store, of: Float(-step))
      try optimizer.step(&store, gradients, rate: 0.1)
      try copy.step(&otherStore, gradients, rate: 0.1)
      try restored.step(&restoredStore, gradients, rate: 0.1)
    }
    for path in store.paths {
      #expect(store[path].elements == otherStore[path].elements)
      #expect(store[path].elements == restoredStore[path].elements)
    }
    #expect(restored.stepCount == 10)
  }

  @Test("An archive that does not fit throws and changes nothing")
  func badArchive() throws {
    let store = Self.store()
    var optimizer = try Optimizer(AdamW(), for: store)
    let archive = OptimizerArchive(
      states: ["layer.bias": StateArchive(tensors: ["first": .ones([2])])], stepCount: 3)
    let error = #expect(throws: OptimizerError.self) { try optimizer.restore(archive) }
    #expect(
      error?.description == "the optimizer state of layer.bias cannot be restored: "
        + "the tensor 'first' has shape [2], the parameter [3]")
    #expect(optimizer.stepCount == 0)
  }

  // MARK: Norm and clipping

  @Test("The norm is that of all gradients as one vector; clipping scales all of them")
  func clipping() throws {
    var store = ParameterStore()
    store.declare("a", .zeros([1]), kind: .linear)
    store.declare("b", .zeros([2]), kind: .linear)
    var gradients = Gradients()
    gradients["a"] = Tensor([1], elements: [12])
    gradients["b"] = Tensor([2], elements: [3, 4])
    var optimizer = try Optimizer(SGD(), for: store)
    let norm = try optimizer.step(&store, gradients, rate: 1, clippingNorm: 6.5)
    #expect(norm == 13)
    #expect(store["a"].elements == [-6] && store["b"].elements == [-1.5, -2])
    try optimizer.step(&store, gradients, rate: 1, clippingNorm: 13, gradientScale: 0.5)
    #expect(store["a"].elements == [-12])
    #expect(clippingFactor(norm: 1, limit: 1) == 1 && clippingFactor(norm: 0, limit: 1) == 1)
  }

  @Test("Large finite gradients have a finite norm")
  func largeNorm() throws {
    var gradients = Gradients()
    gradients["a"] = Tensor([2], elements: [3e30, 4e30])
    #expect(abs(try gradients.norm() / 5e30 - 1) < 1e-6)
    gradients["a"] = Tensor([2], elements: [.infinity, 1])
    #expect(throws: NumericFault.self) { try gradients.norm() }
  }

  @Test("Gradients of several batches add up")
  func accumulation() {
    var sum = Gradients()
    for value in 1...3 {
      var batch = Gradients()
      batch["a"] = Tensor([2], repeating: Float(value))
      sum.add(batch)
    }
    #expect(sum["a"]?.elements == [6, 6])
  }
}

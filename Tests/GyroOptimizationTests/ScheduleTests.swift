import GyroModels
import GyroOptimization
import GyroTensors
import Testing

@Suite struct ScheduleTests {
  @Test("A warm-up climbs to the peak in equal steps")
  func warmup() throws {
    for course in Schedule.Course.allCases {
      let schedule = try Schedule(course, peak: 1, warmup: 4, steps: 10)
      #expect((0..<4).map { schedule($0) } == [0.25, 0.5, 0.75, 1])
      #expect(schedule(4) == 1)
    }
  }

  @Test("Courses follow their formulas and stay at the end")
  func courses() throws {
    let linear = try Schedule(.linear, peak: 2, final: 1, warmup: 2, steps: 12)
    #expect(linear(7) == 1.5 && linear(12) == 1 && linear(1000) == 1)
    let cosine = try Schedule(.cosine, peak: 2, final: 1, steps: 8)
    #expect(cosine(0) == 2 && abs(cosine(4) - 1.5) < 1e-15 && cosine(8) == 1)
    #expect(abs(cosine(2) - (1.5 + 0.5 * 0.5.squareRoot())) < 1e-15)
    let constant = try Schedule(peak: 3, steps: 5)
    #expect(constant(0) == 3 && constant(99) == 3)
  }

  @Test("A schedule that is all warm-up is defined everywhere")
  func onlyWarmup() throws {
    let schedule = try Schedule(.cosine, peak: 1, warmup: 3, steps: 3)
    #expect((0..<5).map { schedule($0) } == [1.0 / 3, 2.0 / 3, 1, 1, 0])
  }

  @Test("Senseless schedules throw")
  func invalid() {
    #expect(throws: ScheduleError.steps(0)) { try Schedule(peak: 1, steps: 0) }
    #expect(throws: ScheduleError.self) { try Schedule(peak: .nan, steps: 1) }
    #expect(throws: ScheduleError.self) { try Schedule(peak: -1, steps: 1) }
    #expect(throws: ScheduleError.self) { try Schedule(.linear, peak: 1, final: -1, steps: 1) }
    let error = #expect(throws: ScheduleError.self) {
      try Schedule(.cosine, peak: 1, warmup: 20, steps: 10)
    }
    #expect(
      error?.description
        == "the warm-up of 20 steps does not fit into 10 steps; it must lie between 0 and 10")
  }

  @Test("A moving average follows its formula, starts gently, and copies buffers")
  func movingAverage() {
    var store = ParameterStore()
    store.declare("w", Tensor([2], elements: [0, 8]), kind: .linear)
    store.declare("mean", .zeros([1]), kind: .buffer)
    var average = ExponentialMovingAverage(of: store, decay: 0.5)
    store["w"] = Tensor([2], elements: [1, 0])
    store["mean"] = Tensor([1], elements: [7])
    var expected: [Double] = [0, 8]
    for step in 1...20 {
      average.update(toward: store)
      let decay = min(0.5, (1 + Double(step)) / (10 + Double(step)))
      expected = zip(expected, [1, 0]).map { decay * $0 + (1 - decay) * $1 }
      for (found, expected) in zip(average.average["w"].elements, expected) {
        #expect(abs(Double(found) - expected) < 1e-5)
      }
      #expect(average.average["mean"].elements == [7])
    }
    #expect(store["w"].elements == [1, 0])
  }
}

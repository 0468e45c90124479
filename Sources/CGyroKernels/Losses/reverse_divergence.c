#include "gyro_clones.h"
#include "gyro_distillation.h"
#include "gyro_math.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 2048 };

typedef struct {
  const float *student, *teacher, *log_sum_exp, *shift;
  int64_t columns;
  float factor, scale;
  float *destination;
} Reverse;

GYRO_CLONES
static void gradient_row(const float *student, const float *teacher, int64_t count, float factor,
                         float log_sum_exp, float shift, float scale, float *destination) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float s = student[i] * factor, t = teacher[i] * factor;
    float q = gyro_exp_nonpositive(s - log_sum_exp);
    destination[i] = q * ((s - t) - shift) * scale;
  }
}

static void gradient_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Reverse *job = context;
  for (int64_t row = begin; row < end; row++) {
    int64_t place = row * job->columns;
    gradient_row(job->student + place, job->teacher + place, job->columns, job->factor,
                 job->log_sum_exp[row], job->shift[row], job->scale, job->destination + place);
  }
}

void gyro_reverse_divergence_gradient(const float *student, const float *teacher,
                                      const float *student_log_sum_exp, const float *shift,
                                      int64_t rows, int64_t columns, float factor, float scale,
                                      float *destination) {
  Reverse job = {.student = student,
                 .teacher = teacher,
                 .log_sum_exp = student_log_sum_exp,
                 .shift = shift,
                 .columns = columns,
                 .factor = factor,
                 .scale = scale,
                 .destination = destination};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), gradient_body, &job);
}

#include <math.h>

#include "gyro_clones.h"
#include "gyro_distillation.h"
#include "gyro_math.h"
#include "gyro_parallel.h"
#include "rest_rows.h"
#include "softmax_rows.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 2048 };

typedef struct {
  const float *student, *values, *rest_log_sum_exp;
  const int32_t *indices;
  int64_t columns, kept;
  float factor, scale;
  float *student_log_sum_exp, *teacher_log_sum_exp, *rest_shift;
  const float *known_student, *known_teacher, *known_shift;
  double *divergences;
  float *destination;
} Buckets;

/// ln (Σ e^(x · factor) + e^rest).
static double bucket_log_sum_exp(const float *x, int64_t count, float factor, double rest) {
  double maximum = (double)gyro_row_maximum(x, count) * factor;
  double sum = gyro_row_exp_sum(x, count, gyro_row_maximum(x, count), factor);
  double top = rest > maximum ? rest : maximum;
  return top + log(sum * exp(maximum - top) + exp(rest - top));
}

/// Σ p (ln p − ln q) over the kept columns, in double precision: they are few.
static double kept_divergence(const Buckets *job, const float *student, const int32_t *indices,
                              const float *values, double q, double p) {
  double sum = 0;
  for (int64_t i = 0; i < job->kept; i++) {
    double t = (double)(values[i] * job->factor) - p;
    double s = (double)(student[indices[i]] * job->factor) - q;
    sum += exp(t) * (t - s);
  }
  return sum;
}

static void forward_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Buckets *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *student = job->student + row * job->columns;
    const int32_t *indices = job->indices + row * job->kept;
    const float *values = job->values + row * job->kept;
    double teacher_rest = job->rest_log_sum_exp[row];
    double p = bucket_log_sum_exp(values, job->kept, job->factor, teacher_rest);
    float maximum = gyro_row_maximum(student, job->columns);
    double q = (double)maximum * job->factor +
               log(gyro_row_exp_sum(student, job->columns, maximum, job->factor));
    double divergence = kept_divergence(job, student, indices, values, q, p);
    double shift = INFINITY;
    double rest = teacher_rest - p;
    if (rest > -INFINITY) {
      double student_rest =
          gyro_rest_log_sum_exp(student, job->columns, indices, job->kept, job->factor);
      divergence += exp(rest) * (rest - (student_rest - q));
      shift = student_rest - rest;
    }
    job->student_log_sum_exp[row] = (float)q;
    job->teacher_log_sum_exp[row] = (float)p;
    job->rest_shift[row] = (float)shift;
    job->divergences[row] = divergence;
  }
}

void gyro_top_divergence(const float *student, const int32_t *indices, const float *values,
                         const float *rest_log_sum_exp, int64_t rows, int64_t columns,
                         int64_t kept, float factor, float *student_log_sum_exp,
                         float *teacher_log_sum_exp, float *rest_shift, double *divergences) {
  Buckets job = {.student = student,
                 .values = values,
                 .rest_log_sum_exp = rest_log_sum_exp,
                 .indices = indices,
                 .columns = columns,
                 .kept = kept,
                 .factor = factor,
                 .student_log_sum_exp = student_log_sum_exp,
                 .teacher_log_sum_exp = teacher_log_sum_exp,
                 .rest_shift = rest_shift,
                 .divergences = divergences};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), forward_body, &job);
}

GYRO_CLONES
static void rest_row(const float *student, int64_t count, float factor, float log_sum_exp,
                     float shift, float scale, float *destination) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float x = student[i] * factor;
    destination[i] =
        (gyro_exp_nonpositive(x - log_sum_exp) - gyro_exp_nonpositive(x - shift)) * scale;
  }
}

/// First every column as if it belonged to the rest, then the kept ones, whose own q comes back out
/// of the logits; in place those are gone, so the kept q are worked out beforehand.
static void gradient_row(const Buckets *job, int64_t row) {
  const float *student = job->student + row * job->columns;
  float *destination = job->destination + row * job->columns;
  const int32_t *indices = job->indices + row * job->kept;
  const float *values = job->values + row * job->kept;
  float q_log = job->known_student[row], p_log = job->known_teacher[row];
  float shift = job->known_shift[row];
  int64_t first = 0, stop = 0;
  while (first < job->kept) {  // runs of kept columns, so that only a few are held at a time
    enum { room = 64 };
    float held[room];
    int64_t count = job->kept - first < room ? job->kept - first : room;
    for (int64_t i = 0; i < count; i++) {
      float q = gyro_exp_nonpositive(student[indices[first + i]] * job->factor - q_log);
      float p = gyro_exp_nonpositive(values[first + i] * job->factor - p_log);
      held[i] = (q - p) * job->scale;
    }
    int64_t last = indices[first + count - 1] + 1;
    rest_row(student + stop, last - stop, job->factor, q_log, shift, job->scale,
             destination + stop);
    for (int64_t i = 0; i < count; i++) destination[indices[first + i]] = held[i];
    stop = last;
    first += count;
  }
  rest_row(student + stop, job->columns - stop, job->factor, q_log, shift, job->scale,
             destination + stop);
}

static void gradient_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  for (int64_t row = begin; row < end; row++) gradient_row(context, row);
}

void gyro_top_divergence_gradient(const float *student, const int32_t *indices,
                                  const float *values, const float *student_log_sum_exp,
                                  const float *teacher_log_sum_exp, const float *rest_shift,
                                  int64_t rows, int64_t columns, int64_t kept, float factor,
                                  float scale, float *destination) {
  Buckets job = {.student = student,
                 .values = values,
                 .indices = indices,
                 .columns = columns,
                 .kept = kept,
                 .factor = factor,
                 .scale = scale,
                 .known_student = student_log_sum_exp,
                 .known_teacher = teacher_log_sum_exp,
                 .known_shift = rest_shift,
                 .destination = destination};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), gradient_body, &job);
}

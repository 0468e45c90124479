#include <math.h>

#include "gyro_clones.h"
#include "gyro_cross_entropy.h"
#include "gyro_math.h"
#include "gyro_parallel.h"
#include "softmax_rows.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 2048 };

typedef struct {
  const float *student, *teacher;
  int64_t columns;
  float factor, scale;
  float *student_log_sum_exp, *teacher_log_sum_exp;
  const float *known_student, *known_teacher;
  double *divergences;
  float *destination;
} Divergence;

/// Σ p · (t − s − shift) with p = e^(t − teacher_log_sum_exp), both logits times the factor.
GYRO_CLONES
static double weighted_difference(const float *student, const float *teacher, int64_t count,
                                  float factor, float teacher_log_sum_exp, float shift) {
  double sum;
  GYRO_BLOCK_SUM(sum, count, first, length, terms, {
    for (int64_t j = 0; j < length; j++) {
      float t = teacher[first + j] * factor, s = student[first + j] * factor;
      terms[j] = gyro_exp_nonpositive(t - teacher_log_sum_exp) * ((t - s) - shift);
    }
  });
  return sum;
}

static float log_sum_exp(const float *x, int64_t count, float factor) {
  float maximum = gyro_row_maximum(x, count);
  double sum = gyro_row_exp_sum(x, count, maximum, factor);
  return (float)((double)maximum * factor + log(sum));
}

static void forward_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Divergence *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *student = job->student + row * job->columns;
    const float *teacher = job->teacher + row * job->columns;
    float q = log_sum_exp(student, job->columns, job->factor);
    float p = log_sum_exp(teacher, job->columns, job->factor);
    job->student_log_sum_exp[row] = q;
    job->teacher_log_sum_exp[row] = p;
    job->divergences[row] =
        weighted_difference(student, teacher, job->columns, job->factor, p, p - q);
  }
}

void gyro_kullback_leibler(const float *student, const float *teacher, int64_t rows,
                           int64_t columns, float factor, float *student_log_sum_exp,
                           float *teacher_log_sum_exp, double *divergences) {
  Divergence job = {.student = student,
                    .teacher = teacher,
                    .columns = columns,
                    .factor = factor,
                    .student_log_sum_exp = student_log_sum_exp,
                    .teacher_log_sum_exp = teacher_log_sum_exp,
                    .divergences = divergences};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), forward_body, &job);
}

GYRO_CLONES
static void gradient_row(const float *student, const float *teacher, int64_t count, float factor,
                         float q_log_sum_exp, float p_log_sum_exp, float scale,
                         float *destination) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float q = gyro_exp_nonpositive(student[i] * factor - q_log_sum_exp);
    float p = gyro_exp_nonpositive(teacher[i] * factor - p_log_sum_exp);
    destination[i] = (q - p) * scale;
  }
}

static void gradient_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Divergence *job = context;
  for (int64_t row = begin; row < end; row++) {
    int64_t place = row * job->columns;
    gradient_row(job->student + place, job->teacher + place, job->columns, job->factor,
                 job->known_student[row], job->known_teacher[row], job->scale,
                 job->destination + place);
  }
}

void gyro_kullback_leibler_gradient(const float *student, const float *teacher,
                                    const float *student_log_sum_exp,
                                    const float *teacher_log_sum_exp, int64_t rows,
                                    int64_t columns, float factor, float scale,
                                    float *destination) {
  Divergence job = {.student = student,
                    .teacher = teacher,
                    .columns = columns,
                    .factor = factor,
                    .scale = scale,
                    .known_student = student_log_sum_exp,
                    .known_teacher = teacher_log_sum_exp,
                    .destination = destination};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), gradient_body, &job);
}

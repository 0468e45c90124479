#include "internal.h"

#include <stdatomic.h>

struct pass {
    const struct panel_job *job;
    uint64_t serial;
    int64_t k_begin, k_end;
    size_t a_panel_bytes, b_panel_bytes;
    char *b;
    int64_t row_panels, column_panels;     // of the whole result
    int64_t block_rows, block_columns;     // panels of one task
    int64_t tasks, column_blocks;
    _Atomic int failed;
};

// What the block scratch of a thread holds, so that consecutive tasks of the
// same rows pack them once.
struct record {
    uint64_t serial;
    int64_t row_block;
};

static _Thread_local struct record record;
static _Atomic uint64_t serials;

static void pack_columns(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    struct pass *pass = context;
    pass->job->pack_b(pass->job, begin, end - begin, pass->k_begin, pass->k_end,
                      pass->b + (size_t)begin * pass->b_panel_bytes, pass->b_panel_bytes);
}

// The lines of a result are rarely in a cache. Asking for them before the kernel
// runs hides that latency behind it; otherwise the waiting stores fill the store
// buffer and stop the next square.
static inline void fetch_result(const struct panel_job *job, int64_t row, int64_t column,
                                int64_t rows) {
    char *line = (char *)job->result + (row * job->result_stride + column) * 4;
    for (int64_t i = 0; i < rows; i++, line += job->result_stride * 4) {
        __builtin_prefetch(line, 1, 3);
        __builtin_prefetch(line + 64, 1, 3);
    }
}

static void compute_task(struct pass *pass, int64_t task) {
    const struct panel_job *job = pass->job;
    // The last rows of a triangle are the longest: first, so that the threads end together.
    if (job->is_lower) task = pass->tasks - 1 - task;
    int64_t row_block = task / pass->column_blocks, column_block = task % pass->column_blocks;
    int64_t first_row = row_block * pass->block_rows;
    int64_t last_row = smaller(first_row + pass->block_rows, pass->row_panels);
    int64_t first_column = column_block * pass->block_columns;
    int64_t last_column = smaller(first_column + pass->block_columns, pass->column_panels);
    if (job->is_lower) last_column = smaller(last_column, last_row);
    if (first_column >= last_column) return;
    char *a = gyro_scratch(SCRATCH_BLOCK, (size_t)pass->block_rows * pass->a_panel_bytes);
    if (!a) {
        atomic_store(&pass->failed, 1);
        return;
    }
    if (record.serial != pass->serial || record.row_block != row_block) {
        job->pack_a(job, first_row, last_row - first_row, pass->k_begin, pass->k_end, a,
                    pass->a_panel_bytes);
        record.serial = pass->serial;
        record.row_block = row_block;
    }
    int64_t units = divide_up(pass->k_end - pass->k_begin, job->k_unit);
    _Alignas(64) float square[PANEL * PANEL];
    for (int64_t column = first_column; column < last_column; column++) {
        const char *b = pass->b + (size_t)column * pass->b_panel_bytes;
        int64_t columns = smaller(PANEL, job->n - column * PANEL);
        int64_t row = job->is_lower ? larger(first_row, column) : first_row;
        for (; row < last_row; row++) {
            int64_t rows = smaller(PANEL, job->m - row * PANEL);
            fetch_result(job, row * PANEL, column * PANEL, rows);
            job->kernel(a + (size_t)(row - first_row) * pass->a_panel_bytes, b, units, square);
            job->store(job, square, row * PANEL, column * PANEL, rows, columns,
                       pass->k_begin == 0, pass->k_end == job->k);
        }
    }
}

static void compute(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    struct pass *pass = context;
    if (pass->job->enter) pass->job->enter();
    for (int64_t task = begin; task < end; task++) compute_task(pass, task);
    if (pass->job->leave) pass->job->leave();
}

int gyro_run_panels(const struct panel_job *job) {
    // Small blocks: the packed rows, one panel of columns and the lines of the
    // result in flight share a second-level cache that is not all ours.
    const size_t block_bytes = 128 << 10;
    for (int64_t k_begin = 0; k_begin < job->k || k_begin == 0; k_begin += job->k_chunk) {
        struct pass pass = {.job = job, .k_begin = k_begin};
        pass.k_end = smaller(job->k, k_begin + job->k_chunk);
        pass.serial = atomic_fetch_add(&serials, 1) + 1;
        size_t units = (size_t)divide_up(pass.k_end - k_begin, job->k_unit);
        pass.a_panel_bytes = units * job->a_unit_bytes;
        pass.b_panel_bytes = units * job->b_unit_bytes;
        pass.row_panels = divide_up(job->m, PANEL);
        pass.column_panels = divide_up(job->n, PANEL);
        pass.b = gyro_scratch(SCRATCH_SHARED, (size_t)pass.column_panels * pass.b_panel_bytes);
        if (!pass.b) return GYRO_MATMUL_OUT_OF_MEMORY;
        gyro_parallel_for_dynamic(pass.column_panels, 4, pack_columns, &pass);

        int64_t wanted = 4 * (int64_t)gyro_thread_count();
        int64_t most = (int64_t)(block_bytes / larger(1, (int64_t)pass.a_panel_bytes));
        pass.block_rows = larger(1, smaller(larger(2, most), pass.row_panels / wanted));
        int64_t row_blocks = divide_up(pass.row_panels, pass.block_rows);
        pass.block_columns = divide_up(pass.column_panels, divide_up(wanted, row_blocks));
        pass.column_blocks = divide_up(pass.column_panels, pass.block_columns);
        pass.tasks = row_blocks * pass.column_blocks;
        gyro_parallel_for_dynamic(pass.tasks, 1, compute, &pass);
        if (atomic_load(&pass.failed)) return GYRO_MATMUL_OUT_OF_MEMORY;
    }
    return GYRO_MATMUL_OK;
}

-- A batch of a rollback. What it does is a function of the control schema (migrated.undo_batch), made of what the target's catalogs say.

-- name: undo
-- Target. All of it; the checkpoint follows.
{begin}
SET LOCAL random_page_cost = 0.3;
SET LOCAL work_mem = '{work_memory}kB';
SET CONSTRAINTS ALL IMMEDIATE;
SELECT migrated.claim_batch('{session}', '{entity}', {batch}, {epoch});
SELECT migrated.undo_batch('{session}', '{entity}', {batch});

-- 1. read, on the source database
COPY (
	SELECT id
	FROM t
) TO STDOUT
;

-- 2. write, on the target database
INSERT INTO x
SELECT 1; 

-- 3. verify, on the target database
SELECT 1 -- one
;

/*
 * Before-images are kept for a while (before_images_keep): those of sessions that ended longer ago are removed, some at a time.
 */
#ifndef DAEMON_RUN_IMAGES_H
#define DAEMON_RUN_IMAGES_H

struct engine;

/* After a session, and whenever nothing else is to be done. */
void images_expire(struct engine *engine);

#endif

// Artillery's clock: a scenario goes round until the time is over.
let end = 0;
module.exports = {
  notYet: function (context, next) {
    if (end === 0) end = Date.now() + 1000 * Number(process.env.BENCH_SECONDS);
    next(Date.now() < end);
  },
};

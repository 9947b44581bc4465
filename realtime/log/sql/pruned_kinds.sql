-- Whether events of some kinds of topics (null: of any) were emptied after a position of a stream.
SELECT EXISTS (
    SELECT FROM realtime_prunedkind
    WHERE stream = %(stream)s AND through > %(after)s
        AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s::text[]))
)

#pragma once
#include "cv_query/catalogue.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cv {

/// What a load does to the catalogue, all of it or nothing: aborted at its end unless something has committed
/// it. Every call throws catalogue_error when LMDB fails. Not thread-safe.
class write_transaction
{
protected:
    explicit write_transaction(environment_handles handles) : handles_(std::move(handles))
    {
        check_lmdb(mdb_txn_begin(handles_.env.get(), nullptr, 0, &transaction_),
                   "cannot write the catalogue");
    }
    ~write_transaction()
    {
        if (transaction_)
            mdb_txn_abort(transaction_);
    }

public:
    write_transaction(const write_transaction&) = delete;
    write_transaction& operator=(const write_transaction&) = delete;

protected:
    std::optional<std::string_view> get(MDB_dbi database, std::string_view key)
    {
        auto name = as_value(key);
        MDB_val value{};
        const int code = mdb_get(transaction_, database, &name, &value);
        if (code == MDB_NOTFOUND)
            return std::nullopt;
        check_lmdb(code, "cannot read the catalogue");
        return view(value);
    }

    void put(MDB_dbi database, std::string_view key, std::string_view content)
    {
        auto name = as_value(key);
        auto value = as_value(content);
        check_lmdb(mdb_put(transaction_, database, &name, &value, 0), "cannot write the catalogue");
    }

    void erase(MDB_dbi database, std::string_view key)
    {
        auto name = as_value(key);
        const int code = mdb_del(transaction_, database, &name, nullptr);
        if (code != MDB_NOTFOUND)
            check_lmdb(code, "cannot write the catalogue");
    }

    void clear(MDB_dbi database)
    {
        check_lmdb(mdb_drop(transaction_, database, 0), "cannot write the catalogue");
    }

    /// All keys and values; copies, because the transaction goes on writing.
    std::map<std::string, std::string> all(MDB_dbi database)
    {
        std::map<std::string, std::string> rows;
        MDB_cursor* cursor = nullptr;
        check_lmdb(mdb_cursor_open(transaction_, database, &cursor), "cannot read the catalogue");
        MDB_val key{};
        MDB_val value{};
        for (int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); code == MDB_SUCCESS;
             code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
            rows.emplace(view(key), view(value));
        mdb_cursor_close(cursor);
        return rows;
    }

    environment_handles handles_;
    MDB_txn* transaction_ = nullptr;
};

} // namespace cv
